# The handlers for JAX (src/jax), where the header of XLA's foreign function interface is found: jaxlib has it. pip hides
# an environment's packages from a build in it; hence the look into where they would be.
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_EXECUTABLE AND NOT XLA_FFI_INCLUDE_DIR)
  execute_process(COMMAND ${Python3_EXECUTABLE} -c "
import importlib.util, os, sysconfig
spec = importlib.util.find_spec('jaxlib')
roots = list(spec.submodule_search_locations) if spec else []
roots += [os.path.join(sysconfig.get_path(key), 'jaxlib') for key in ('platlib', 'purelib')]
print(';'.join(os.path.join(root, 'include') for root in roots))"
                  OUTPUT_VARIABLE xla_places OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
find_path(XLA_FFI_INCLUDE_DIR xla/ffi/api/c_api.h HINTS ${xla_places}
          DOC "Where xla/ffi/api/c_api.h is, for the handlers of multiplet.jax")
if(NOT XLA_FFI_INCLUDE_DIR)
  message(STATUS "multiplet.jax: no handlers, since xla/ffi/api/c_api.h was not found (it comes with jaxlib; "
                 "XLA_FFI_INCLUDE_DIR says where)")
  return()
endif()

file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/jax/*.c)
add_library(libmultiplet-jax SHARED ${sources})
target_include_directories(libmultiplet-jax PRIVATE ${PROJECT_SOURCE_DIR}/src)
target_include_directories(libmultiplet-jax SYSTEM PRIVATE ${XLA_FFI_INCLUDE_DIR})
target_link_libraries(libmultiplet-jax PRIVATE libmultiplet Threads::Threads m)
# It stands beside libmultiplet, here as where it is installed.
set_target_properties(libmultiplet-jax PROPERTIES OUTPUT_NAME multiplet-jax INSTALL_RPATH "$ORIGIN")
if(SKBUILD)
  add_dependencies(wheel-libraries libmultiplet-jax)
  install(TARGETS libmultiplet-jax LIBRARY DESTINATION multiplet/lib COMPONENT wheel)
else()
  install(TARGETS libmultiplet-jax LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
