# Languages, build types and warnings: everything that is true for each target of the project.
option(KNUL_BUILD_TESTS "Unit, simulation, loopback, ABI and house tests" ${PROJECT_IS_TOP_LEVEL})
option(KNUL_BUILD_BENCHMARKS "Programs under bench/ and *_bench.cpp beside the code" OFF)
option(KNUL_BUILD_FUZZERS "libFuzzer programs (clang only)" OFF)
option(KNUL_LTO "Link-time optimisation where the tools support it" OFF)
option(KNUL_FAST_LINKER "Link with mold or lld where found" ON)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_LINK_DEPENDS_NO_SHARED ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Dev, Release, Asan, Tsan or Fuzz" FORCE)
endif()

# Build types of our own: unlike RelWithDebInfo, Dev and the sanitizers keep assertions.
set(checked "-D_GLIBCXX_ASSERTIONS -fno-omit-frame-pointer")
# Without vptr: that check opens a pipe, and reports a defect where a test has used up the descriptors.
set(address "-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all")
foreach(language IN ITEMS C CXX)
  set(CMAKE_${language}_FLAGS_DEV "-O2 -g1 ${checked}")
  set(CMAKE_${language}_FLAGS_ASAN "-O1 -g1 ${checked} ${address}")
  set(CMAKE_${language}_FLAGS_TSAN "-O1 -g1 ${checked} -fsanitize=thread")
  set(CMAKE_${language}_FLAGS_FUZZ "-O1 -g1 ${checked} ${address} -fsanitize=fuzzer-no-link")
  set(CMAKE_${language}_FLAGS_RELEASE
      "-O3 -DNDEBUG -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2")
endforeach()
foreach(kind IN ITEMS EXE SHARED MODULE)
  set(CMAKE_${kind}_LINKER_FLAGS_ASAN "${address}")
  set(CMAKE_${kind}_LINKER_FLAGS_TSAN "-fsanitize=thread")
  set(CMAKE_${kind}_LINKER_FLAGS_FUZZ "${address}")
endforeach()

add_library(knul_warnings INTERFACE)
target_compile_options(knul_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow)
# Warnings differ from version to version; the tree is free of those of Debian 12's compilers, and has to stay so.
string(REGEX MATCH "^[0-9]+" compiler_version "${CMAKE_CXX_COMPILER_VERSION}")
if("${CMAKE_CXX_COMPILER_ID} ${compiler_version}" MATCHES "^(GNU 12|Clang 14)$")
  target_compile_options(knul_warnings INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # At -O3 it sees an overlap in every "text" + std::string (GCC bug 105651).
  target_compile_options(knul_warnings INTERFACE -Wno-restrict)
endif()

find_program(KNUL_CCACHE ccache)
if(KNUL_CCACHE)
  foreach(language IN ITEMS C CXX)
    if(NOT CMAKE_${language}_COMPILER_LAUNCHER)
      # Paths below the tree are hashed relative to it, so that a second clone hits the same cache.
      set(CMAKE_${language}_COMPILER_LAUNCHER
          ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${KNUL_CCACHE})
    endif()
  endforeach()
endif()

if(KNUL_LTO)
  include(CheckIPOSupported)
  check_ipo_supported(RESULT ipo_works OUTPUT ipo_output LANGUAGES CXX)
  if(ipo_works)
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
    # The static archive must also link without the LTO plugin of this very compiler.
    add_compile_options($<$<CXX_COMPILER_ID:GNU>:-ffat-lto-objects>)
  else()
    message(WARNING "Link-time optimisation is not supported here: ${ipo_output}")
  endif()
endif()

# Neither mold nor lld reads the LTO objects of GCC without a plugin, so they serve the other builds.
if(KNUL_FAST_LINKER AND NOT CMAKE_INTERPROCEDURAL_OPTIMIZATION)
  find_program(KNUL_MOLD mold)
  find_program(KNUL_LLD ld.lld)
  if(KNUL_MOLD AND (NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU" OR CMAKE_CXX_COMPILER_VERSION VERSION_GREATER 12.1))
    add_link_options(-fuse-ld=mold)
  elseif(KNUL_LLD)
    add_link_options(-fuse-ld=lld)
  endif()
endif()
