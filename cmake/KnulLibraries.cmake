# What users link: libknul.so (the C ABI), libknul.a (the C++ interface and the C ABI in one archive),
# and the files that make find_package(knul) and pkg-config find them.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(folders GLOBAL PROPERTY KNUL_FOLDERS_WITH_CODE)
get_property(link_names GLOBAL PROPERTY KNUL_LINKS)
list(REMOVE_DUPLICATES link_names)
knul_links(link_targets ${link_names})

set(KNUL_HAS_ABI OFF)
if("abi" IN_LIST folders)
  set(KNUL_HAS_ABI ON)
endif()

# One archive of all folders. Its third-party libraries stay with whoever links it.
if(folders)
  list(TRANSFORM folders REPLACE "(.+)" "$<TARGET_OBJECTS:knul_\\1>" OUTPUT_VARIABLE objects)
  add_library(knul_static STATIC ${objects})
  set_target_properties(knul_static PROPERTIES OUTPUT_NAME knul EXPORT_NAME cpp LINKER_LANGUAGE CXX)
  target_link_libraries(knul_static PRIVATE ${link_targets})
  add_library(knul::cpp ALIAS knul_static)
  target_compile_features(knul_static INTERFACE cxx_std_20)
  target_include_directories(knul_static INTERFACE $<BUILD_INTERFACE:${KNUL_PUBLIC_INCLUDE}>
                                                   $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endif()

if(KNUL_HAS_ABI)
  set(export_map "${KNUL_SOURCE_ROOT}/abi/krepis.map")
  add_library(knul_shared SHARED cmake/shared_library.cpp)
  # Every object of abi is kept, because nothing inside the library calls it.
  target_link_libraries(knul_shared PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,knul_abi>)
  target_include_directories(knul_shared INTERFACE $<BUILD_INTERFACE:${KNUL_PUBLIC_INCLUDE}>
                                                   $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  set_target_properties(knul_shared PROPERTIES OUTPUT_NAME knul EXPORT_NAME knul
                        VERSION ${PROJECT_VERSION} SOVERSION 1 LINK_DEPENDS "${export_map}")
  # nodelete: worker threads and shared mappings outlive a dlclose() by the host.
  target_link_options(knul_shared PRIVATE "-Wl,--version-script=${export_map}" -Wl,-z,nodelete -Wl,-Bsymbolic
                      -Wl,-z,relro -Wl,-z,now)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_BUILD_TYPE MATCHES "^(Dev|Release)$")
    # Clang leaves the sanitizers' own symbols undefined until the executable is linked.
    target_link_options(knul_shared PRIVATE -Wl,--no-undefined)
  endif()
  add_library(knul::knul ALIAS knul_shared)
endif()

# ---- Installation -------------------------------------------------------------------------------------
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/knul")
install(DIRECTORY "${KNUL_PUBLIC_INCLUDE}/krepis" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
if(KNUL_HAS_ABI)
  install(TARGETS knul_shared EXPORT knulTargets LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(EXPORT knulTargets NAMESPACE knul:: DESTINATION "${package_dir}")
  install(TARGETS knul_static EXPORT knulCppTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(EXPORT knulCppTargets NAMESPACE knul:: DESTINATION "${package_dir}")
  configure_package_config_file(cmake/knulConfig.cmake.in knulConfig.cmake
                                INSTALL_DESTINATION "${package_dir}")
  write_basic_package_version_file(knulConfigVersion.cmake COMPATIBILITY SameMajorVersion)
  # From the folder of knul.pc back to the prefix, so that an installed tree can be moved.
  file(RELATIVE_PATH KNUL_PC_PREFIX "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
  configure_file(cmake/knul.pc.in knul.pc @ONLY)
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/knulConfig.cmake" "${CMAKE_CURRENT_BINARY_DIR}/knulConfigVersion.cmake"
          DESTINATION "${package_dir}")
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/knul.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
  install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
endif()
