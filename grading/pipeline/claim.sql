-- Claims the fairest waiting evaluation and answers its id, token and course; no row when nothing can be claimed.
--
-- Order: live work before batch work, then the course with the fewest running, then the oldest. A student with a running
-- evaluation waits. Run it as the SECOND statement of a transaction whose first took the claim lock: under READ COMMITTED
-- its snapshot is then younger than every other claim, which SKIP LOCKED alone does not give.
--
-- Parameters: takes_batch (may this slot take batch work?), worker (its name), lease (seconds).
with recursive courses as (              -- loose index scan: the distinct courses that wait
  (select course_id from grading_evaluation where state = 'queued' order by course_id limit 1)
  union all
  select (select e.course_id from grading_evaluation e
           where e.state = 'queued' and e.course_id > c.course_id order by e.course_id limit 1)
    from courses c where c.course_id is not null),
running as (                             -- how many each course has running
  select course_id, count(*) n from grading_evaluation where state = 'running' group by 1),
heads as (                               -- the first claimable evaluation of each course
  select h.*, coalesce(r.n, 0) n
    from courses c left join running r using (course_id)
   cross join lateral (
     select e.id, e.batch, e.queued_at from grading_evaluation e
      where e.state = 'queued' and e.course_id = c.course_id and (%(takes_batch)s or not e.batch)
        and not exists (select 1 from grading_evaluation x where x.state = 'running'
                         and x.course_id = e.course_id and x.student_id = e.student_id)
      order by e.batch, e.queued_at, e.id limit 1) h
   where c.course_id is not null)
update grading_evaluation
   set state = 'running', claim = gen_random_uuid(), worker = %(worker)s,
       started_at = clock_timestamp(), lease_until = clock_timestamp() + make_interval(secs => %(lease)s),
       progress = null, failure = ''
 where id = (select id from heads order by batch, n, queued_at, id limit 1) and state = 'queued'
returning id, claim
