#include "abi/thread_texts.hpp"

#include <pthread.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

#include "abi/utf8.hpp"

namespace knul::abi {

namespace {

// A large result (connections) is not kept by a thread that goes on with small ones.
constexpr std::size_t kKeptBytes = 256 << 10;

struct ThreadTexts {
  std::string result;
  std::array<char, 1'024> error{};
};

// pthread keys and not thread_local: a thread_local with a destructor ends the process when memory is short.
struct Key {
  Key() noexcept : is_valid(::pthread_key_create(&key, &destroy) == 0) {}
  static void destroy(void* texts) { delete static_cast<ThreadTexts*>(texts); }

  pthread_key_t key{};
  bool is_valid;
};

const Key& texts_key() noexcept {
  static const Key key;
  return key;
}

ThreadTexts* make_texts(const Key& key) noexcept {
  auto* texts = new (std::nothrow) ThreadTexts();  // owned by the key from here on
  if (texts != nullptr && ::pthread_setspecific(key.key, texts) != 0) {
    delete texts;
    return nullptr;
  }
  return texts;
}

// Null when there is no memory for them.
ThreadTexts* thread_texts() noexcept {
  const Key& key = texts_key();
  if (!key.is_valid) {
    return nullptr;
  }
  auto* texts = static_cast<ThreadTexts*>(::pthread_getspecific(key.key));
  return texts != nullptr ? texts : make_texts(key);
}

}  // namespace

std::string& new_result_text() {
  ThreadTexts* const texts = thread_texts();
  if (texts == nullptr) {
    throw std::bad_alloc();
  }
  if (texts->result.capacity() > kKeptBytes) {
    std::string().swap(texts->result);
  }
  texts->result.clear();
  return texts->result;
}

FfiBuffer buffer_of(const std::string& text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), text.size(), 0};
}

void set_last_error(std::string_view text) noexcept {
  if (ThreadTexts* const texts = thread_texts()) {
    copy_as_utf8(text, texts->error);
  }
}

const char* last_error_text() noexcept {
  const ThreadTexts* const texts = thread_texts();
  return texts != nullptr ? texts->error.data() : "out of memory; no memory for an error text either";
}

}  // namespace knul::abi
