-- Claims the fairest waiting evaluation and answers its id and token; no row when nothing can be claimed.
--
-- Order: live work before batch work, then the course with the fewest running, then the oldest. A student with a running
-- evaluation waits. Batch work is left alone while it would take the last free slot.
--
-- A function of the database, so that nobody waits for the way to the worker and back while holding the lock, and so that
-- each connection plans it once: planning took as long as running it. The second statement comes after the lock: in a
-- volatile function under READ COMMITTED its snapshot is then younger than every other claim, which SKIP LOCKED alone does
-- not give. The commit does not wait for the disk, or all workers would stand in line for it; a claim that a crash of the
-- database forgets leaves the evaluation waiting, and whoever had it notices at the next renewal or when publishing.
--
-- Parameters: claim_lock (one number for all claims), takes_batch (may this slot take batch work?), slots (of all live
-- workers), worker_name, lease (seconds).
create or replace function claim_evaluation(
  claim_lock bigint, takes_batch boolean, slots integer, worker_name text, lease double precision)
returns table (evaluation bigint, token uuid) language plpgsql volatile as $$
#variable_conflict use_column
begin
perform pg_advisory_xact_lock(claim_lock), set_config('synchronous_commit', 'off', true);

return query
with recursive courses as (              -- loose index scan: the distinct courses that wait
  (select course_id from grading_evaluation where state = 'queued' order by course_id limit 1)
  union all
  select (select e.course_id from grading_evaluation e
           where e.state = 'queued' and e.course_id > c.course_id order by e.course_id limit 1)
    from courses c where c.course_id is not null),
running as (                             -- how many each course has running
  select course_id, count(*) n from grading_evaluation where state = 'running' group by 1),
batch_too as (
  select takes_batch and (slots < 2 or slots - coalesce(sum(n), 0) >= 2) as allowed from running),
heads as (                               -- the first claimable evaluation of each course
  select h.*, coalesce(r.n, 0) n
    from courses c left join running r using (course_id)
   cross join lateral (
     select e.id, e.batch, e.queued_at from grading_evaluation e
      where e.state = 'queued' and e.course_id = c.course_id and (not e.batch or (select allowed from batch_too))
        and not exists (select 1 from grading_evaluation x where x.state = 'running'
                         and x.course_id = e.course_id and x.student_id = e.student_id)
      order by e.batch, e.queued_at, e.id limit 1) h
   where c.course_id is not null)
update grading_evaluation
   set state = 'running', claim = gen_random_uuid(), worker = worker_name,
       started_at = clock_timestamp(), lease_until = clock_timestamp() + make_interval(secs => lease),
       progress = null, failure = ''
 where id = (select id from heads order by batch, n, queued_at, id limit 1) and state = 'queued'
returning grading_evaluation.id, grading_evaluation.claim;
end $$
