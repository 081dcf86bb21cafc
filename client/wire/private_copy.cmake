# Makes the client's private copy of a .proto, or puts the wire's name back into the stub that was generated from it.
#
#   cmake -D IN=tracker.proto -D OUT=copy.proto -P private_copy.cmake
#   cmake -D STUB=tracker.grpc.pb.cc -P private_copy.cmake

# Fails where there is nothing to replace: a copy that kept its old name would clash, but only in a user's program.
function(replace from to)
  string(FIND "${text}" "${from}" found)
  if(found EQUAL -1)
    message(FATAL_ERROR "private_copy.cmake: no '${from}' in ${IN}${STUB}")
  endif()
  string(REPLACE "${from}" "${to}" text "${text}")
  set(text "${text}" PARENT_SCOPE)
endfunction()

if(DEFINED STUB)
  file(READ ${STUB} text)
  # The methods are called by their service's name on the wire.
  foreach(service TrackerService AdminService)
    replace("\"/tracker.internal.v1.${service}/" "\"/tracker.v1.${service}/")
  endforeach()
  file(WRITE ${STUB} "${text}")
  return()
endif()

file(READ ${IN} text)
set(lite "\n\noption optimize_for = LITE_RUNTIME;")
if(IN MATCHES "google/rpc/")
  replace("package google.rpc;" "package tracker.internal.rpc;${lite}")
else()
  replace("package tracker.v1;" "package tracker.internal.v1;${lite}")
  replace("import \"google/rpc/" "import \"client/wire/")
  replace(" google.rpc.Status error" " tracker.internal.rpc.Status error")
endif()
file(WRITE ${OUT} "${text}")
