"""What the class can do, read from ``MilestoneResult`` and ``HourlyActivity`` alone: questions in SQL, answers as figures."""
