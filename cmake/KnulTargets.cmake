# The functions that the CMakeLists.txt of each folder calls, one line each. Sources are found by name:
# x.cpp is code, x_test.cpp a test, x_test_support.cpp what the tests of the folder share, x_bench.cpp a
# benchmark.
include(GoogleTest)

set(KNUL_SOURCE_ROOT "${PROJECT_SOURCE_DIR}/src")
set(KNUL_PUBLIC_INCLUDE "${PROJECT_SOURCE_DIR}/include")

# knul_sources(<result> <pattern>...): the files of the calling folder, looked up again at every build.
function(knul_sources result)
  file(GLOB found CONFIGURE_DEPENDS ${ARGN})
  set(${result} "${found}" PARENT_SCOPE)
endfunction()

# knul_program(<target> SOURCES ... [DEPENDS folders] [LINKS short names]): an executable that may see src/.
function(knul_program target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPENDS;LINKS")
  add_executable(${target} ${arg_SOURCES})
  knul_links(links ${arg_LINKS})
  list(TRANSFORM arg_DEPENDS PREPEND knul_)
  target_link_libraries(${target} PRIVATE knul_warnings ${arg_DEPENDS} ${links})
  target_include_directories(${target} PRIVATE "${KNUL_SOURCE_ROOT}" "${KNUL_PUBLIC_INCLUDE}")
endfunction()

# Registers each TEST of a GoogleTest program. Discovery runs when ctest starts, not while building.
function(knul_register_gtest target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LABELS")
  gtest_discover_tests(${target} TEST_PREFIX "${target}." DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
                       PROPERTIES LABELS "${arg_LABELS}")
endfunction()

# knul_library(NAME <folder> [DEPENDS folders] [LINKS short names] [TEST_DEPENDS folders] [TEST_LINKS ...]
# [THREADED_TESTS regular expression | ONE_THREAD]): the static library knul_<folder>, its tests
# knul_<folder>_test, its benchmarks knul_<folder>_bench; of the sources in the folder and in those below it.
# ThreadSanitizer gets only the tests that match THREADED_TESTS, with ONE_THREAD none, because it finds
# nothing where there is one thread.
function(knul_library)
  cmake_parse_arguments(PARSE_ARGV 0 arg "ONE_THREAD" "NAME;THREADED_TESTS"
                        "DEPENDS;LINKS;TEST_DEPENDS;TEST_LINKS")
  knul_sources(sources *.cpp */*.cpp)
  set(tests ${sources})
  set(benches ${sources})
  list(FILTER tests INCLUDE REGEX "_test(_support)?\\.cpp$")
  if(arg_ONE_THREAD AND CMAKE_BUILD_TYPE STREQUAL Tsan)
    set(tests "")
  elseif(arg_THREADED_TESTS AND CMAKE_BUILD_TYPE STREQUAL Tsan)
    list(FILTER tests INCLUDE REGEX "${arg_THREADED_TESTS}")
  endif()
  list(FILTER benches INCLUDE REGEX "_bench\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_(test|test_support|bench)\\.cpp$")

  set(target knul_${arg_NAME})
  knul_links(links ${arg_LINKS})
  list(TRANSFORM arg_DEPENDS PREPEND knul_ OUTPUT_VARIABLE depends)
  if(sources)
    add_library(${target} STATIC ${sources})
    target_link_libraries(${target} PRIVATE knul_warnings PUBLIC ${depends} ${links})
    target_include_directories(${target} PUBLIC "${KNUL_SOURCE_ROOT}" "${KNUL_PUBLIC_INCLUDE}")
    set_property(GLOBAL APPEND PROPERTY KNUL_FOLDERS_WITH_CODE ${arg_NAME})
    set_property(GLOBAL APPEND PROPERTY KNUL_LINKS ${arg_LINKS})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${depends} ${links})
    target_include_directories(${target} INTERFACE "${KNUL_SOURCE_ROOT}" "${KNUL_PUBLIC_INCLUDE}")
  endif()
  set_property(GLOBAL APPEND PROPERTY KNUL_FOLDERS ${arg_NAME})

  if(tests AND KNUL_BUILD_TESTS)
    knul_program(${target}_test SOURCES ${tests} DEPENDS ${arg_NAME} ${arg_TEST_DEPENDS}
                 LINKS gtest ${arg_TEST_LINKS})
    knul_register_gtest(${target}_test LABELS unit)
  endif()
  if(benches AND KNUL_BUILD_BENCHMARKS)
    knul_program(${target}_bench SOURCES ${benches} DEPENDS ${arg_NAME} ${arg_TEST_DEPENDS}
                 LINKS benchmark ${arg_TEST_LINKS})
  endif()
endfunction()

# knul_test_suite(NAME <suite> [DEPENDS folders] [LINKS short names] [LABELS ...] [SOURCES files]
# [ONE_THREAD]): one GoogleTest program knul_<suite>_test of the *.cpp of the calling folder, or of SOURCES.
# DEPENDS names folders of src/, or `static` / `shared` for the libraries that users link. ONE_THREAD: not for
# ThreadSanitizer.
function(knul_test_suite)
  cmake_parse_arguments(PARSE_ARGV 0 arg "ONE_THREAD" "NAME" "DEPENDS;LINKS;LABELS;SOURCES")
  if(NOT KNUL_BUILD_TESTS OR (arg_ONE_THREAD AND CMAKE_BUILD_TYPE STREQUAL Tsan))
    return()
  endif()
  if(NOT arg_SOURCES)
    knul_sources(arg_SOURCES *.cpp)
  endif()
  if(NOT arg_SOURCES)
    return()
  endif()
  knul_program(knul_${arg_NAME}_test SOURCES ${arg_SOURCES} DEPENDS ${arg_DEPENDS} LINKS gtest ${arg_LINKS})
  knul_register_gtest(knul_${arg_NAME}_test LABELS ${arg_LABELS})
endfunction()

# knul_plain_test(NAME <test> SOURCES files [DEPENDS ...] [LINKS ...] [LABELS ...] [ARGS ...]): a program
# without GoogleTest (the C tests of the ABI); exit code 0 passes, 77 skips. One ctest per program.
function(knul_plain_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME" "SOURCES;DEPENDS;LINKS;LABELS;ARGS")
  if(NOT KNUL_BUILD_TESTS)
    return()
  endif()
  knul_program(knul_${arg_NAME}_test SOURCES ${arg_SOURCES} DEPENDS ${arg_DEPENDS} LINKS ${arg_LINKS})
  add_test(NAME knul_${arg_NAME}_test COMMAND knul_${arg_NAME}_test ${arg_ARGS})
  set_tests_properties(knul_${arg_NAME}_test PROPERTIES LABELS "${arg_LABELS}" SKIP_RETURN_CODE 77)
endfunction()

# knul_benchmark(NAME <name> [SOURCES files] [DEPENDS folders] [LINKS short names] [PLAIN]):
# the Google Benchmark program <name>; PLAIN leaves main() to the sources.
function(knul_benchmark)
  cmake_parse_arguments(PARSE_ARGV 0 arg "PLAIN" "NAME" "SOURCES;DEPENDS;LINKS")
  if(NOT KNUL_BUILD_BENCHMARKS)
    return()
  endif()
  if(NOT arg_SOURCES)
    set(arg_SOURCES ${arg_NAME}.cpp)
  endif()
  if(NOT arg_PLAIN)
    list(APPEND arg_LINKS benchmark)
  endif()
  knul_program(${arg_NAME} SOURCES ${arg_SOURCES} DEPENDS ${arg_DEPENDS} LINKS ${arg_LINKS})
endfunction()

# knul_fuzzer(NAME <name> [SOURCES files] [DEPENDS folders] [LINKS short names] [ONE_THREAD]): under clang in
# the fuzz preset a libFuzzer program; in every other build a test that replays fuzz/corpus/<name> and the
# regressions found so far, so that fuzz code cannot rot. ONE_THREAD: not for ThreadSanitizer.
function(knul_fuzzer)
  cmake_parse_arguments(PARSE_ARGV 0 arg "ONE_THREAD" "NAME" "SOURCES;DEPENDS;LINKS")
  if(NOT arg_SOURCES)
    set(arg_SOURCES ${arg_NAME}.cpp)
  endif()
  if(KNUL_BUILD_FUZZERS)
    knul_program(${arg_NAME} SOURCES ${arg_SOURCES} DEPENDS ${arg_DEPENDS} LINKS ${arg_LINKS})
    target_link_options(${arg_NAME} PRIVATE -fsanitize=fuzzer)
  elseif(KNUL_BUILD_TESTS AND NOT (arg_ONE_THREAD AND CMAKE_BUILD_TYPE STREQUAL Tsan))
    if(NOT TARGET knul_fuzz_replay)
      add_library(knul_fuzz_replay OBJECT "${PROJECT_SOURCE_DIR}/cmake/fuzz_replay.cpp")
      target_link_libraries(knul_fuzz_replay PRIVATE knul_warnings)
    endif()
    knul_program(${arg_NAME}_replay SOURCES ${arg_SOURCES} DEPENDS fuzz_replay ${arg_DEPENDS}
                 LINKS ${arg_LINKS})
    add_test(NAME ${arg_NAME}.replays_its_corpus
             COMMAND ${arg_NAME}_replay "${CMAKE_CURRENT_SOURCE_DIR}/corpus/${arg_NAME}")
    set_tests_properties(${arg_NAME}.replays_its_corpus PROPERTIES LABELS fuzz)
  endif()
endfunction()

# knul_test_classes(OUT FILE): the classes of a Python program that have test methods, in their order. A change of
# the program configures the build again.
function(knul_test_classes out file)
  cmake_path(ABSOLUTE_PATH file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
  file(STRINGS "${file}" lines REGEX "^(class |    def test_)")
  set(classes "")
  set(class "")
  foreach(line IN LISTS lines)
    if(line MATCHES "^class ([A-Za-z0-9_]+)")
      set(class "${CMAKE_MATCH_1}")
    elseif(NOT class IN_LIST classes)
      list(APPEND classes "${class}")
    endif()
  endforeach()
  if(NOT classes)
    message(FATAL_ERROR "${file}: no class with a method test_..., expected at least one")
  endif()
  set(${out} "${classes}" PARENT_SCOPE)
endfunction()
