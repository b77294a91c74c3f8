# BLAS and LAPACK from PyPI's package scipy-openblas32, for Python wheels. Every symbol of it has a prefix, so that it
# stands beside another BLAS in one process: a header that is included before all others gives each routine that the
# library calls its prefixed name.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
execute_process(COMMAND ${Python3_EXECUTABLE} -c "import scipy_openblas32 as b; print(b.get_lib_dir(), b.get_library(), sep=';')"
                OUTPUT_VARIABLE scipy_openblas OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${Python3_EXECUTABLE} has no scipy_openblas32 (pip install scipy-openblas32, or MULTIPLET_BLAS=system)")
endif()
list(GET scipy_openblas 0 scipy_openblas_dir)
list(GET scipy_openblas 1 scipy_openblas_name)
set(scipy_openblas_file ${scipy_openblas_dir}/${CMAKE_SHARED_LIBRARY_PREFIX}${scipy_openblas_name}${CMAKE_SHARED_LIBRARY_SUFFIX})

set(names "#define MPT_BLAS_PREFIX \"scipy_\"\n")
foreach(function openblas_set_num_threads openblas_set_threads_callback_function)
  string(APPEND names "#define ${function} scipy_${function}\n")
endforeach()
foreach(routine sgemm dgemm cgemm zgemm ssyr2k dsyr2k cher2k zher2k ssyevd dsyevd cheevd zheevd ssytrd dsytrd chetrd zhetrd
                sormtr dormtr cunmtr zunmtr sstedc dstedc ssterf dsterf sstebz dstebz
                sstein dstein)
  string(APPEND names "#define ${routine}_ scipy_${routine}_\n")
endforeach()
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/blas_names.h CONTENT "${names}")
add_compile_options(-include ${PROJECT_BINARY_DIR}/blas_names.h)

add_library(BLAS::BLAS SHARED IMPORTED)
set_target_properties(BLAS::BLAS PROPERTIES IMPORTED_LOCATION ${scipy_openblas_file})
add_library(LAPACK::LAPACK ALIAS BLAS::BLAS)

install(FILES ${scipy_openblas_file} DESTINATION multiplet/lib COMPONENT wheel)
