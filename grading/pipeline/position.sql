-- How many waiting evaluations will be claimed before this one: turn by turn of the courses, live work before batch work.
-- Parameter: id of a waiting evaluation. One row with one number; 0 also when it does not wait.
--
-- `me` is materialized on purpose: left to itself, PostgreSQL looks for it once per waiting row (100,000 waiting: minutes).
with waiting as (                        -- every waiting evaluation with its turn within its course
  select id, batch, queued_at,
         row_number() over (partition by course_id, batch order by queued_at, id) turn
    from grading_evaluation where state = 'queued'),
me as materialized (                     -- the one that is asked about: one row or none
  select batch, turn, queued_at, id from waiting where id = %(id)s)
select count(*)
  from waiting w, me
 where (w.batch, w.turn, w.queued_at, w.id) < (me.batch, me.turn, me.queued_at, me.id)
