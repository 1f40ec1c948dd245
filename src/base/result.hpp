// Result<T>: a value or a base::Error, for functions that can fail.
#pragma once

#include <krepis/expected.hpp>

#include "base/error.hpp"

namespace knul::base {

template <class T>
using Result = krepis::Expected<T, Error>;

using Status = Result<void>;

}  // namespace knul::base
