-- Who needs help, and with which milestone?
--
-- One row per active student and milestone that was measured and is not in order: not completed, or scored below the
-- threshold of the list. Lowest milestone first (what comes later builds on it), then the lowest score.
-- Parameters: course (id), threshold (points of 100), practice_data (true: practice data only; false: real data only).
-- Counted: the attempt that counts. A result that waits for a person's decision alone is not a warning.
select result.enrollment_id,
       person.full_name,
       person.username,
       enrollment.section,
       milestone.id           as course_milestone_id,
       milestone.number,
       milestone.milestone    as slug,
       result.submission_id,
       result.score,
       result.completed,
       result.benchmark_met,
       result.accuracy,
       result.attempts,
       result.criterion_points,
       result.failing_diagnoses
  from grading_milestoneresult result
  join grading_enrollment enrollment     on enrollment.id = result.enrollment_id
  join grading_person person             on person.id = enrollment.person_id
  join grading_coursemilestone milestone on milestone.id = result.course_milestone_id
 where result.course_id = %(course)s
   and enrollment.active and enrollment.role = 'student' and not enrollment.test
   and result.score is not null
   and result.practice_data = %(practice_data)s
   and (result.score < %(threshold)s or (not result.completed and result.benchmark_met is not null))
 order by milestone.number, result.score, person.full_name, person.username;
