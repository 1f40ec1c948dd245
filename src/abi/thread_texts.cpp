#include "abi/thread_texts.hpp"

#include <pthread.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

#include "abi/utf8.hpp"

namespace knul::abi {

namespace {

// The memory of a larger result is freed at the thread's next result.
constexpr std::size_t kKeptBytes = 256 << 10;

struct ThreadTexts {
  std::string result;
  std::array<char, 1'024> error{};
};

// Not thread_local, because a thread_local with a destructor ends the process when memory is short.
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
  auto* texts = new (std::nothrow) ThreadTexts();  // the key owns it
  if (texts != nullptr && ::pthread_setspecific(key.key, texts) != 0) {
    delete texts;
    return nullptr;
  }
  return texts;
}

// Null: memory is short.
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
  return texts != nullptr ? texts->error.data() : "out of memory, also for the text of the error";
}

}  // namespace knul::abi
