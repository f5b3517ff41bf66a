"""The course side: people, courses, submissions, the queue, scores and what they show."""
