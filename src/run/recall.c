#include "run/recall.h"
#include "store/find.h"

#include <stdlib.h>
#include <string.h>

/* A text that identifies the datasets: two jobs with equal texts read the same matrices under the
 * same numbers. */
static char *name_datasets(const mpt_job *job) {
  mpt_text out = {0};
  mpt_text_add(&out, "%d", (int)job->config.triangle);
  for (int64_t d = 0; d < job->input.count; d++)
    mpt_text_add(&out, "\n%s", job->input.datasets[d].path);
  if (out.exhausted) mpt_text_release(&out); /* a truncated text could equal another job's */
  return out.data;
}

static mpt_identity identity_of_eigenpairs(const mpt_run *r) {
  mpt_identity file = {0};
  mpt_identify_open(mpt_descriptor_of(r->job.eigenpairs), &file);
  MPI_Bcast(&file, sizeof file, MPI_BYTE, 0, r->comm);
  return file;
}

/* Finds the eigenpairs if all ranks have them in memory. Collective. */
static void look_into_memory(mpt_run *r) {
  int found = 0;
  if (!r->cache || !r->job.config.eigenpairs) return;
  const mpt_identity file = identity_of_eigenpairs(r);
  char *datasets = name_datasets(&r->job);
  char *id;
  mpt_find_text(r->job.eigenpairs, "result_id", &id, NULL);
  r->recalled = mpt_cache_find(r->cache, &file, id, datasets);
  free(id);
  free(datasets);
  found = r->recalled != NULL;
  MPI_Allreduce(MPI_IN_PLACE, &found, 1, MPI_INT, MPI_MIN, r->comm);
  if (!found) r->recalled = NULL;
  r->cache->hits += found;
}

static bool keeps_eigenpairs(const mpt_run *r) {
  const mpt_quantityset both = MPT_BIT(MPT_EIGENVALUES) | MPT_BIT(MPT_EIGENVECTORS);
  return r->cache && !r->job.config.eigenpairs && (r->job.quantities & both) == both;
}

void mpt_find_memory(mpt_run *r) {
  look_into_memory(r);
  r->caches = keeps_eigenpairs(r);
  if (r->caches || r->recalled) mpt_job_use_memory(&r->job);
}

void mpt_begin_memory(mpt_run *r) {
  if (r->caches) r->worker.caching = mpt_cache_begin(r->cache, name_datasets(&r->job));
}

/* Whether the ranks have in memory everything that teams of one are to do. Collective. */
static bool recalls_everything(const mpt_run *r) {
  int64_t problems = r->recalled ? mpt_cached_singles(r->recalled) : 0;
  if (!r->recalled || r->continued) return false;
  MPI_Allreduce(MPI_IN_PLACE, &problems, 1, MPI_INT64_T, MPI_SUM, r->comm);
  for (int64_t k = r->schedule.team_count; k < r->schedule.count; k++)
    problems -= r->schedule.units[k].count;
  return problems == 0;
}

/* Makes chunks large enough for pieces that another plan has cut. */
static void widen_chunks(mpt_run *r) {
  for (const mpt_cache_entry *p = r->recalled->entries; p; p = p->next) {
    int64_t *chunk = &r->plan.tasks[p->dataset].chunk;
    if (p->ranks == 1 && p->count > *chunk) *chunk = p->count;
  }
}

void mpt_open_memory(mpt_run *r) {
  r->caches &= !r->continued;
  r->recalls = recalls_everything(r);
  if (r->recalls) widen_chunks(r);
}

void mpt_close_memory(mpt_run *r, bool complete) {
  mpt_identity file = {0};
  mpt_cached *cached = r->worker.caching;
  int identified = 0;
  if (!r->caches) return;
  if (r->rank == 0 && complete) identified = mpt_identify(r->job.config.output_file, &file);
  MPI_Bcast(&file, sizeof file, MPI_BYTE, 0, r->comm);
  MPI_Bcast(&identified, 1, MPI_INT, 0, r->comm);
  if (!cached) return;
  memcpy(cached->fingerprint, r->fingerprint, sizeof cached->fingerprint);
  memcpy(cached->id, r->result_id, sizeof cached->id);
  cached->input = r->input;
  cached->input_settled = r->input_settled;
  mpt_cache_end(r->cache, cached, identified ? r->job.config.output_file : NULL, &file);
}
