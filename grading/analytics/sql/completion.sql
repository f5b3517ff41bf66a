-- How many students complete each milestone?
--
-- One row per milestone of the course, in order of number.
-- Parameters: course (id), practice_data (true: only results on practice data; false: only results on real data).
-- Counted: active students. "submitted" has an attempt handed in, whether or not it is measured yet; "completed" is the
-- result's own word (score and benchmark, by the policy in force). Mean and median are over counted scores.
with students as (          -- who the shares are shares of
    select id
      from grading_enrollment
     where course_id = %(course)s and role = 'student' and active and not test
),
results as (                -- one row per student and milestone, of one kind of data; unmeasured ones have no kind yet
    select course_milestone_id, score, completed
      from grading_milestoneresult
     where course_id = %(course)s
       and enrollment_id in (select id from students)
       and attempts > 0
       and (score is null or practice_data = %(practice_data)s)
)
select milestone.id           as course_milestone_id,
       milestone.number,
       milestone.milestone    as slug,
       (select count(*) from students)                              as students,
       count(results.course_milestone_id)                           as submitted,
       count(*) filter (where results.completed)                    as completed,
       avg(results.score)                                           as mean_score,
       percentile_cont(0.5) within group (order by results.score)   as median_score
  from grading_coursemilestone milestone
  left join results on results.course_milestone_id = milestone.id
 where milestone.course_id = %(course)s
 group by milestone.id
 order by milestone.number;
