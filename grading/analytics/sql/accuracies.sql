-- How accurate are the networks that count for one milestone?
--
-- One row per active student whose counted attempt has a measured accuracy, lowest first.
-- Parameters: course_milestone (id), practice_data (true: only results on practice data; false: only real data).
-- Counted: accuracy as a share of n unseen images, with its 95 percent Wilson interval.
select result.enrollment_id,
       result.accuracy,
       result.accuracy_n    as n,
       result.accuracy_low  as low,
       result.accuracy_high as high
  from grading_milestoneresult result
  join grading_enrollment enrollment on enrollment.id = result.enrollment_id
 where result.course_milestone_id = %(course_milestone)s
   and enrollment.active and enrollment.role = 'student' and not enrollment.test
   and result.accuracy is not null
   and result.practice_data = %(practice_data)s
 order by result.accuracy, result.enrollment_id;
