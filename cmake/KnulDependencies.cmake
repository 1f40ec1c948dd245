# Third-party libraries, found once and named once. A target asks for them by the short name
# (LINKS ngtcp2 json); each must have its line of why in docs/decisions.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# 1.11 is the first version with the API used without a version check.
pkg_check_modules(knul_ngtcp2 REQUIRED IMPORTED_TARGET libngtcp2>=1.11 libngtcp2_crypto_gnutls>=1.11)
pkg_check_modules(knul_gnutls REQUIRED IMPORTED_TARGET gnutls>=3.7.9)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(spdlog 1.10 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(tomlplusplus 3.3 REQUIRED)
find_package(absl REQUIRED)

set(KNUL_LINK_ngtcp2 PkgConfig::knul_ngtcp2)
set(KNUL_LINK_gnutls PkgConfig::knul_gnutls)
set(KNUL_LINK_json nlohmann_json::nlohmann_json)
set(KNUL_LINK_spdlog spdlog::spdlog)
set(KNUL_LINK_cli11 CLI11::CLI11)
set(KNUL_LINK_toml tomlplusplus::tomlplusplus)
set(KNUL_LINK_absl absl::flat_hash_map absl::flat_hash_set absl::hash)
set(KNUL_LINK_threads Threads::Threads)

if(KNUL_BUILD_TESTS)
  find_package(GTest REQUIRED)
  find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
  set(KNUL_LINK_gtest GTest::gmock_main GTest::gtest)
endif()
if(KNUL_BUILD_BENCHMARKS)
  find_package(benchmark REQUIRED)
  set(KNUL_LINK_benchmark benchmark::benchmark_main)
endif()

# knul_links(<result> <short name>...): the CMake targets behind short names.
function(knul_links result)
  set(targets "")
  foreach(name IN LISTS ARGN)
    if(NOT DEFINED KNUL_LINK_${name})
      message(FATAL_ERROR "LINKS ${name}: unknown; the names are in cmake/KnulDependencies.cmake")
    endif()
    list(APPEND targets ${KNUL_LINK_${name}})
  endforeach()
  set(${result} "${targets}" PARENT_SCOPE)
endfunction()
