-- On which kind of data were this course's results measured?
--
-- One row: counted results on real data and on practice data, which no other question ever mixes.
-- Parameters: course (id).
select count(*) filter (where not practice_data) as real_data,
       count(*) filter (where practice_data)     as practice_data
  from grading_milestoneresult
 where course_id = %(course)s and score is not null
   and enrollment_id not in (select id from grading_enrollment where course_id = %(course)s and test);
