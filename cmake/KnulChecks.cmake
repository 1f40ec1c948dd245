# The house checks: tests that read the sources and the built files. Each script proves in --self-test
# that it refuses bad input. They run in the dev preset only; one run is enough.
option(KNUL_HOUSE_CHECKS "Layer, symbol, header, length and layout checks as tests" OFF)
if(NOT KNUL_HOUSE_CHECKS)
  return()
endif()

set(scripts "${PROJECT_SOURCE_DIR}/scripts")

# knul_house_test(<name> COMMAND...)
function(knul_house_test name)
  add_test(NAME house.${name} COMMAND ${ARGN})
  set_tests_properties(house.${name} PROPERTIES LABELS house SKIP_RETURN_CODE 77)
endfunction()

knul_house_test(layers_keep_their_arrows Python3::Interpreter "${scripts}/check_layers.py")
knul_house_test(imports_have_no_circles Python3::Interpreter "${scripts}/check_circles.py")
knul_house_test(files_stay_short Python3::Interpreter "${scripts}/check_length.py")
knul_house_test(layout_is_clang_format "${scripts}/format.sh" --check)
foreach(script IN ITEMS check_circles check_layers check_length check_probes check_symbols show_build sum_tests)
  knul_house_test(${script}_refuses_bad_input Python3::Interpreter "${scripts}/${script}.py" --self-test)
endforeach()
knul_house_test(bench_tables_add_up Python3::Interpreter "${PROJECT_SOURCE_DIR}/bench/suite_test.py")

set(sans_io_archives "")
foreach(folder IN ITEMS base quic)
  if(folder IN_LIST folders)
    list(APPEND sans_io_archives "$<TARGET_FILE:knul_${folder}>")
  endif()
endforeach()
knul_house_test(base_and_quic_call_no_system_function
                Python3::Interpreter "${scripts}/check_symbols.py" sans-io ${sans_io_archives})
if(TARGET knul_shared)
  knul_house_test(library_exports_only_its_interface
                  Python3::Interpreter "${scripts}/check_symbols.py" exports "$<TARGET_FILE:knul_shared>")
endif()
find_path(KNUL_SDT_INCLUDE sys/sdt.h)
mark_as_advanced(KNUL_SDT_INCLUDE)
if(TARGET knul_shared AND TARGET knul AND KNUL_SDT_INCLUDE)
  knul_house_test(linked_files_have_their_probes Python3::Interpreter "${scripts}/check_probes.py"
                  "$<TARGET_FILE:knul_shared>" "$<TARGET_FILE:knul>")
endif()

# Headers that no x.cpp includes first (check_layers.py demands that of an x.cpp) are compiled alone here,
# the C headers as C and as C++.
file(GLOB_RECURSE headers CONFIGURE_DEPENDS "${KNUL_SOURCE_ROOT}/*.hpp" "${KNUL_PUBLIC_INCLUDE}/*.hpp"
     "${KNUL_PUBLIC_INCLUDE}/*.h")
list(FILTER headers EXCLUDE REGEX "test_support\\.hpp$")  # compiled by the tests, with what they link
set(header_sources "")
foreach(header IN LISTS headers)
  string(REGEX REPLACE "\\.hpp$" ".cpp" source "${header}")
  if(header MATCHES "\\.hpp$" AND EXISTS "${source}")
    continue()
  endif()
  cmake_path(RELATIVE_PATH header BASE_DIRECTORY "${PROJECT_SOURCE_DIR}" OUTPUT_VARIABLE name)
  string(REGEX REPLACE "^(src|include)/" "" name "${name}")
  string(MAKE_C_IDENTIFIER "${name}" identifier)
  set(languages cpp)
  if(header MATCHES "\\.h$")
    list(APPEND languages c)
  endif()
  foreach(language IN LISTS languages)
    set(source "${CMAKE_CURRENT_BINARY_DIR}/headers/${identifier}.${language}")
    file(CONFIGURE OUTPUT "${source}" CONTENT "#include <${name}>\n")
    list(APPEND header_sources "${source}")
  endforeach()
endforeach()
add_library(knul_header_check OBJECT ${header_sources})
knul_links(header_links ${link_names} gtest)
target_link_libraries(knul_header_check PRIVATE knul_warnings ${header_links})
target_include_directories(knul_header_check PRIVATE "${KNUL_SOURCE_ROOT}" "${KNUL_PUBLIC_INCLUDE}")
target_compile_options(knul_header_check PRIVATE -O0 -g0)
