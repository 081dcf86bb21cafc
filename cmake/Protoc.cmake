# run_protoc(SOURCES ROOT OUT NAME [GRPC] [IMPORTS folder...] [DEPENDS file...] [THEN command...]) generates ROOT/NAME.proto's
# classes, and with GRPC its stub, into OUT, runs THEN after that, and appends the generated files to the list SOURCES. What it
# imports is found in ROOT and IMPORTS.
function(run_protoc sources root out name)
  cmake_parse_arguments(arg "GRPC" "" "IMPORTS;DEPENDS;THEN" ${ARGN})
  set(outputs ${out}/${name}.pb.cc ${out}/${name}.pb.h)
  set(grpc_args)
  if(arg_GRPC)
    list(APPEND outputs ${out}/${name}.grpc.pb.cc ${out}/${name}.grpc.pb.h)
    set(grpc_args --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN} --grpc_out=${out})
  endif()
  list(TRANSFORM arg_IMPORTS PREPEND "-I" OUTPUT_VARIABLE imports)
  set(then)
  if(arg_THEN)
    set(then COMMAND ${arg_THEN})
  endif()
  add_custom_command(
    OUTPUT ${outputs}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${out}
    COMMAND ${Protobuf_PROTOC_EXECUTABLE} -I ${root} ${imports} --cpp_out=${out} ${grpc_args} ${root}/${name}.proto
    ${then}
    DEPENDS ${root}/${name}.proto ${arg_DEPENDS}
    VERBATIM)
  if(TRACKER_SANITIZE)
    # UndefinedBehaviorSanitizer alone makes the largest of these compile for minutes instead of seconds, and the code is
    # protobuf's affair. The others stay: without them, what the linker shares between these files and ours would see less,
    # and a message that two threads touch would be no race.
    set_source_files_properties(${outputs} PROPERTIES COMPILE_OPTIONS "-fno-sanitize=undefined;-g0")
  endif()
  set(${sources} ${${sources}} ${outputs} PARENT_SCOPE)
endfunction()
