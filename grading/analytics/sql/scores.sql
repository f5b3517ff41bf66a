-- How are the scores of one milestone spread?
--
-- One row per active student with a counted score, lowest first.
-- Parameters: course_milestone (id), practice_data (true: only results on practice data; false: only real data).
-- Counted: the score of 100 after overrides and late penalty.
select result.enrollment_id,
       result.score
  from grading_milestoneresult result
  join grading_enrollment enrollment on enrollment.id = result.enrollment_id
 where result.course_milestone_id = %(course_milestone)s
   and enrollment.active and enrollment.role = 'student' and not enrollment.test
   and result.score is not null
   and result.practice_data = %(practice_data)s
 order by result.score, result.enrollment_id;
