-- How long did submissions wait in the queue, hour by hour?
--
-- One row per hour and bucket of the waiting-time histogram that has submissions, in the order of time.
-- Parameters: course (id), milestone (slug; '' for all), since (hours from then on).
-- Counted: every submission once, when its first result was published, in the hour in which it was handed in.
with counted as (                        -- one row per milestone, hour and bucket; the open bucket is called inf
  select activity.hour,
         bucket.key::float as bound,
         bucket.value::int as submissions
    from grading_hourlyactivity activity
    join grading_coursemilestone milestone on milestone.id = activity.course_milestone_id
   cross join lateral jsonb_each_text(activity.waiting) bucket
   where milestone.course_id = %(course)s
     and (%(milestone)s = '' or milestone.milestone = %(milestone)s)
     and activity.hour >= %(since)s)
select hour,
       bound,
       sum(submissions)::int as submissions
  from counted
 group by hour, bound
 order by hour, bound;
