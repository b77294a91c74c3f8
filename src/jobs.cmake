# What jobs need besides libmultiplet: MPI, ScaLAPACK, HDF5 and YAML. Any MPI, BLAS, LAPACK and
# ScaLAPACK that CMake finds will do; LAPACK and ScaLAPACK must share one BLAS flavour.
find_package(PkgConfig REQUIRED)
find_package(MPI REQUIRED COMPONENTS C)
if(SCALAPACK_LIBRARIES)
  add_library(multiplet_scalapack INTERFACE)
  target_link_libraries(multiplet_scalapack INTERFACE ${SCALAPACK_LIBRARIES})
else()
  find_library(SCALAPACK_LIBRARY NAMES scalapack scalapack-openmpi scalapack-mpich REQUIRED)
  add_library(multiplet_scalapack INTERFACE)
  target_link_libraries(multiplet_scalapack INTERFACE ${SCALAPACK_LIBRARY})
endif()
set(HDF5_PREFER_PARALLEL ON)
find_package(HDF5 REQUIRED COMPONENTS C)
if(NOT HDF5_IS_PARALLEL)
  message(FATAL_ERROR "HDF5 is built without MPI: install a parallel HDF5 "
                      "(Debian: libhdf5-openmpi-dev) or set HDF5_ROOT to one")
endif()
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)

multiplet_layer(mpi DIRS mpi LINK multiplet_base MPI::MPI_C)
multiplet_layer(scalapack_engine DIRS engine/scalapack
                LINK multiplet_engine multiplet_mpi multiplet_scalapack)
add_library(multiplet_engines STATIC ${registry})
target_compile_definitions(multiplet_engines PRIVATE MPT_WITH_SCALAPACK)
target_link_libraries(multiplet_engines PUBLIC multiplet_scalapack_engine)
multiplet_layer(store DIRS store LINK multiplet_spectral multiplet_mpi ${HDF5_C_LIBRARIES})
target_include_directories(multiplet_store SYSTEM PUBLIC ${HDF5_C_INCLUDE_DIRS})
multiplet_layer(config DIRS config LINK multiplet_store PkgConfig::YAML)
multiplet_layer(plan DIRS plan LINK multiplet_config multiplet_engines)
multiplet_layer(run DIRS run LINK multiplet_plan)
multiplet_layer(check DIRS check LINK multiplet_run)
find_package(Threads REQUIRED)
multiplet_layer(serve DIRS serve LINK multiplet_run Threads::Threads)
multiplet_layer(bench DIRS bench LINK multiplet_run multiplet_api)

add_executable(multiplet)
file(GLOB cli_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/cli/*.c)
target_sources(multiplet PRIVATE ${cli_sources})
target_link_libraries(multiplet PRIVATE multiplet_serve multiplet_check multiplet_bench)
# A seed gives the same random sample on every machine.
set_source_files_properties(src/cli/random_matrix.c PROPERTIES COMPILE_OPTIONS -ffp-contract=off)

# What runs a job from a program of one's own; all else is hidden, for programs link libmultiplet too.
add_library(libmultiplet-jobs SHARED)
set_target_properties(libmultiplet-jobs PROPERTIES OUTPUT_NAME multiplet-jobs EXPORT_NAME jobs
                      VERSION ${PROJECT_VERSION}
                      SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
                      LINK_DEPENDS ${PROJECT_SOURCE_DIR}/src/jobs.map)
foreach(layer base spectral engine mpi scalapack_engine engines store config plan run)
  target_sources(libmultiplet-jobs PRIVATE $<TARGET_OBJECTS:multiplet_${layer}>)
endforeach()
target_link_options(libmultiplet-jobs PRIVATE -Wl,--version-script=${PROJECT_SOURCE_DIR}/src/jobs.map)
target_link_libraries(libmultiplet-jobs PUBLIC libmultiplet MPI::MPI_C
                      PRIVATE LAPACK::LAPACK BLAS::BLAS $<BUILD_INTERFACE:multiplet_scalapack>
                      ${HDF5_C_LIBRARIES} PkgConfig::YAML Threads::Threads m ${CMAKE_DL_LIBS})

# The manual page and what bash completes, as the program itself has them.
if(NOT CMAKE_CROSSCOMPILING)
  foreach(document IN ITEMS "multiplet.1 --man" "multiplet.bash --completion bash")
    separate_arguments(document UNIX_COMMAND "${document}")
    list(POP_FRONT document file)
    add_custom_command(OUTPUT ${file} COMMAND multiplet ${document} > ${file} DEPENDS multiplet VERBATIM)
    list(APPEND documents ${PROJECT_BINARY_DIR}/${file})
  endforeach()
  add_custom_target(documents ALL DEPENDS ${documents})
  install(FILES ${PROJECT_BINARY_DIR}/multiplet.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${PROJECT_BINARY_DIR}/multiplet.bash RENAME multiplet
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
endif()

install(TARGETS multiplet RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS libmultiplet-jobs EXPORT multiplet-jobs-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT multiplet-jobs-targets NAMESPACE multiplet:: DESTINATION ${package_dir})
set(mpi_flags "") # multiplet/job.h includes mpi.h
foreach(dir ${MPI_C_INCLUDE_DIRS})
  string(APPEND mpi_flags " -I${dir}")
endforeach()
configure_file(src/multiplet-jobs.pc.in multiplet-jobs.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/multiplet-jobs.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
