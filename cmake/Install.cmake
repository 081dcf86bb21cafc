# What `cmake --install` puts where. Components: client (a shared library, to run with), client_development (headers,
# library, CMake package, pkg-config file, the .proto files), client_testing (what comes to that for tests with FakeTracker;
# only from a static build), server (trackerd and trackerctl).

install(TARGETS trackerd trackerctl RUNTIME COMPONENT server)
if(BUILD_SHARED_LIBS)
  # trackerctl finds the library next to it, wherever the two were put.
  file(RELATIVE_PATH from_bin_to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(trackerctl PROPERTIES INSTALL_RPATH $ORIGIN/${from_bin_to_lib})
endif()

install(TARGETS tracker_client EXPORT TrackerTargets
  LIBRARY COMPONENT client NAMELINK_COMPONENT client_development
  ARCHIVE COMPONENT client_development
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set_target_properties(tracker_client PROPERTIES EXPORT_NAME client)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/client/include/tracker DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  COMPONENT client_development FILES_MATCHING PATTERN *.h)

# Everything that tracker.proto needs to generate a client in another language.
set(proto_dir ${CMAKE_INSTALL_DATADIR}/tracker/proto)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/proto/tracker ${PROJECT_SOURCE_DIR}/proto/google DESTINATION ${proto_dir}
  COMPONENT client_development FILES_MATCHING PATTERN *.proto)

if(NOT BUILD_SHARED_LIBS)
  install(TARGETS tracker_testing EXPORT TrackerTestingTargets ARCHIVE COMPONENT client_testing
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  set_target_properties(tracker_testing PROPERTIES EXPORT_NAME testing)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/client/testing/include/tracker DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    COMPONENT client_testing FILES_MATCHING PATTERN *.h)
endif()

# find_package(Tracker CONFIG) gives tracker::client, and with COMPONENTS testing also tracker::testing.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Tracker)
set(made ${PROJECT_BINARY_DIR}/package)
install(EXPORT TrackerTargets NAMESPACE tracker:: DESTINATION ${package_dir} COMPONENT client_development)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/TrackerConfig.cmake.in ${made}/TrackerConfig.cmake
  INSTALL_DESTINATION ${package_dir} PATH_VARS proto_dir NO_CHECK_REQUIRED_COMPONENTS_MACRO)
configure_file(${CMAKE_CURRENT_LIST_DIR}/TrackerTesting.cmake.in ${made}/TrackerTesting.cmake @ONLY)
# Apart from the client's, so that only a program with tests of this kind is asked for the server's libraries.
if(NOT BUILD_SHARED_LIBS)
  install(EXPORT TrackerTestingTargets NAMESPACE tracker:: DESTINATION ${package_dir} COMPONENT client_testing)
endif()
# While 0.x, a minor version may change what a program is compiled against.
write_basic_package_version_file(${made}/TrackerConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${made}/TrackerConfig.cmake ${made}/TrackerTesting.cmake ${made}/TrackerConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT client_development)

# pkg-config's way to the same, from the libraries that the target asks its users for. Those of a static library are needed
# at every link, so they are Requires and not Requires.private: a program links with and without --static.
#
# Its paths are relative to the file, so that a prefix can be moved.
file(RELATIVE_PATH pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
file(RELATIVE_PATH pc_libdir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH pc_includedir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
set(pc_of_gRPC::grpc++ grpc++)
set(pc_of_protobuf::libprotobuf protobuf)
set(pc_of_spdlog::spdlog spdlog)
set(pc_of_SQLite::SQLite3 sqlite3)
set(pc_of_OpenSSL::Crypto libcrypto)
set(pc_of_PkgConfig::XXHASH libxxhash)
function(install_pkg_config name description component)
  set(pc_requires)
  set(pc_libs)
  get_target_property(libraries ${name} INTERFACE_LINK_LIBRARIES)
  list(FILTER libraries EXCLUDE REGEX "^\\$<BUILD_INTERFACE:")
  list(TRANSFORM libraries REPLACE "^\\$<(LINK_ONLY|INSTALL_INTERFACE):(.*)>$" "\\2")
  list(REMOVE_DUPLICATES libraries)
  foreach(library ${libraries})
    if(DEFINED pc_of_${library})
      string(APPEND pc_requires " ${pc_of_${library}}")
    elseif(library MATCHES "^absl::(.*)$")
      string(APPEND pc_requires " absl_${CMAKE_MATCH_1}")
    elseif(library STREQUAL "tracker_client")
      string(APPEND pc_requires " tracker_client = ${PROJECT_VERSION}")
    elseif(library STREQUAL "gRPC::grpc++_reflection")
      string(APPEND pc_libs " -lgrpc++_reflection")
    elseif(library STREQUAL "Threads::Threads")
      string(APPEND pc_libs " -pthread")
    elseif(library MATCHES "::")
      message(FATAL_ERROR "cmake/Install.cmake: what is ${library} to pkg-config?")
    else()
      string(APPEND pc_libs " -l${library}")
    endif()
  endforeach()
  configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/tracker.pc.in ${made}/${name}.pc @ONLY)
  install(FILES ${made}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT ${component})
endfunction()
install_pkg_config(tracker_client "C++ client of Tracker" client_development)
if(NOT BUILD_SHARED_LIBS)
  install_pkg_config(tracker_testing "A Tracker server within a test" client_testing)
endif()
