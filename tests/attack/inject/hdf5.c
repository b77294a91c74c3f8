/* HDF5's calls by the program: not made, and failed. HDF5 calling itself does not come by here. */
#define _GNU_SOURCE
#include "inject.h"

#include <hdf5.h>

/* The real one's value, or failure. */
#define CALL(name, arguments)                                                                      \
  static __typeof__(name) *real;                                                                   \
  inject_find(&real, #name);                                                                       \
  return inject_is_in(" multiplet libmultiplet ", INJECT_CALLER) &&                                \
                 inject_fails(#name, INJECT_CALLER)                                                \
             ? -1                                                                                  \
             : real arguments

/* What cannot be closed is gone all the same, as where the last of it could not be written. */
#define CLOSE(name)                                                                                \
  INJECT_EXPORT herr_t name(hid_t object) {                                                        \
    static __typeof__(name) *real;                                                                 \
    const bool fails = inject_is_in(" multiplet libmultiplet ", INJECT_CALLER) &&                  \
                       inject_fails(#name, INJECT_CALLER);                                         \
    inject_find(&real, #name);                                                                     \
    const herr_t done = real(object);                                                              \
    return fails ? -1 : done;                                                                      \
  }

INJECT_EXPORT herr_t H5Pset_fapl_mpio(hid_t list, MPI_Comm comm, MPI_Info info) {
  CALL(H5Pset_fapl_mpio, (list, comm, info));
}

INJECT_EXPORT hid_t H5Fopen(const char *name, unsigned flags, hid_t access) {
  CALL(H5Fopen, (name, flags, access));
}

INJECT_EXPORT hid_t H5Fcreate(const char *name, unsigned flags, hid_t create, hid_t access) {
  CALL(H5Fcreate, (name, flags, create, access));
}

CLOSE(H5Fclose)

INJECT_EXPORT herr_t H5Fflush(hid_t object, H5F_scope_t scope) {
  CALL(H5Fflush, (object, scope));
}

INJECT_EXPORT htri_t H5Fis_hdf5(const char *name) {
  CALL(H5Fis_hdf5, (name));
}

INJECT_EXPORT hid_t H5Dopen2(hid_t file, const char *name, hid_t access) {
  CALL(H5Dopen2, (file, name, access));
}

INJECT_EXPORT hid_t H5Dcreate2(hid_t file, const char *name, hid_t type, hid_t space, hid_t links,
                               hid_t create, hid_t access) {
  CALL(H5Dcreate2, (file, name, type, space, links, create, access));
}

INJECT_EXPORT hid_t H5Dget_space(hid_t dataset) {
  CALL(H5Dget_space, (dataset));
}

INJECT_EXPORT hid_t H5Dget_type(hid_t dataset) {
  CALL(H5Dget_type, (dataset));
}

INJECT_EXPORT herr_t H5Dread(hid_t dataset, hid_t type, hid_t memory, hid_t file, hid_t transfer,
                             void *out) {
  CALL(H5Dread, (dataset, type, memory, file, transfer, out));
}

INJECT_EXPORT herr_t H5Dwrite(hid_t dataset, hid_t type, hid_t memory, hid_t file, hid_t transfer,
                              const void *data) {
  CALL(H5Dwrite, (dataset, type, memory, file, transfer, data));
}

CLOSE(H5Dclose)

INJECT_EXPORT hid_t H5Aopen(hid_t object, const char *name, hid_t access) {
  CALL(H5Aopen, (object, name, access));
}

INJECT_EXPORT hid_t H5Acreate2(hid_t place, const char *name, hid_t type, hid_t space, hid_t create,
                               hid_t access) {
  CALL(H5Acreate2, (place, name, type, space, create, access));
}

INJECT_EXPORT hid_t H5Aget_type(hid_t attribute) {
  CALL(H5Aget_type, (attribute));
}

INJECT_EXPORT herr_t H5Aread(hid_t attribute, hid_t type, void *out) {
  CALL(H5Aread, (attribute, type, out));
}

INJECT_EXPORT herr_t H5Awrite(hid_t attribute, hid_t type, const void *data) {
  CALL(H5Awrite, (attribute, type, data));
}

CLOSE(H5Aclose)

INJECT_EXPORT hid_t H5Gopen2(hid_t file, const char *name, hid_t access) {
  CALL(H5Gopen2, (file, name, access));
}

CLOSE(H5Gclose)

INJECT_EXPORT htri_t H5Lexists(hid_t place, const char *name, hid_t access) {
  CALL(H5Lexists, (place, name, access));
}

INJECT_EXPORT herr_t H5Literate(hid_t group, H5_index_t index, H5_iter_order_t order, hsize_t *at,
                                H5L_iterate_t visit, void *context) {
  CALL(H5Literate, (group, index, order, at, visit, context));
}

INJECT_EXPORT herr_t H5Ldelete(hid_t place, const char *name, hid_t access) {
  CALL(H5Ldelete, (place, name, access));
}

INJECT_EXPORT hid_t H5Pcreate(hid_t class) {
  CALL(H5Pcreate, (class));
}

INJECT_EXPORT herr_t H5Pset_layout(hid_t list, H5D_layout_t layout) {
  CALL(H5Pset_layout, (list, layout));
}

INJECT_EXPORT herr_t H5Pset_create_intermediate_group(hid_t list, unsigned create) {
  CALL(H5Pset_create_intermediate_group, (list, create));
}

CLOSE(H5Pclose)

INJECT_EXPORT hid_t H5Screate(H5S_class_t class) {
  CALL(H5Screate, (class));
}

INJECT_EXPORT hid_t H5Screate_simple(int rank, const hsize_t *dims, const hsize_t *most) {
  CALL(H5Screate_simple, (rank, dims, most));
}

INJECT_EXPORT herr_t H5Sselect_hyperslab(hid_t space, H5S_seloper_t how, const hsize_t *start,
                                         const hsize_t *stride, const hsize_t *count,
                                         const hsize_t *block) {
  CALL(H5Sselect_hyperslab, (space, how, start, stride, count, block));
}

INJECT_EXPORT int H5Sget_simple_extent_ndims(hid_t space) {
  CALL(H5Sget_simple_extent_ndims, (space));
}

INJECT_EXPORT int H5Sget_simple_extent_dims(hid_t space, hsize_t *dims, hsize_t *most) {
  CALL(H5Sget_simple_extent_dims, (space, dims, most));
}

CLOSE(H5Sclose)

INJECT_EXPORT hid_t H5Tcopy(hid_t type) {
  CALL(H5Tcopy, (type));
}

INJECT_EXPORT hid_t H5Tcreate(H5T_class_t class, size_t size) {
  CALL(H5Tcreate, (class, size));
}

INJECT_EXPORT hid_t H5Tenum_create(hid_t base) {
  CALL(H5Tenum_create, (base));
}

INJECT_EXPORT herr_t H5Tenum_insert(hid_t type, const char *name, const void *value) {
  CALL(H5Tenum_insert, (type, name, value));
}

INJECT_EXPORT herr_t H5Tinsert(hid_t type, const char *name, size_t offset, hid_t member) {
  CALL(H5Tinsert, (type, name, offset, member));
}

INJECT_EXPORT herr_t H5Tset_size(hid_t type, size_t size) {
  CALL(H5Tset_size, (type, size));
}

INJECT_EXPORT herr_t H5Tset_cset(hid_t type, H5T_cset_t set) {
  CALL(H5Tset_cset, (type, set));
}

CLOSE(H5Tclose)

/* By the name that this version's headers make of it. */
#undef H5Ovisit
INJECT_EXPORT herr_t H5Ovisit(hid_t object, H5_index_t index, H5_iter_order_t order,
                              H5O_iterate_t visit, void *context) {
  CALL(H5Ovisit, (object, index, order, visit, context));
}
