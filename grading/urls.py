"""The pages of the site. Every address here stands in the table of ``tests/test_access.py`` as well."""

from django.conf import settings
from django.urls import path

from grading.views import account, classes, components, courses, marking, milestones, queue, reruns, submissions

urlpatterns = [
    path("", courses.courses, name="courses"),
    path("join/", courses.join, name="join"),
    path("sign-in/", account.sign_in, name="sign_in"),
    path("sign-out/", account.sign_out, name="sign_out"),
    path("theme/", account.theme, name="theme"),
    path("courses/<slug:slug>/", courses.course, name="course"),
    path("courses/<slug:slug>/charts/<slug:chart>.csv", classes.chart_csv, name="chart_csv"),
    path("courses/<slug:slug>/early-warning.csv", classes.warnings_csv, name="warnings_csv"),
    path("courses/<slug:slug>/people/", classes.people, name="people"),
    path("courses/<slug:slug>/people/<int:enrollment>/", classes.student, name="student"),
    path("courses/<slug:slug>/submissions/", classes.class_submissions, name="class_submissions"),
    path("courses/<slug:slug>/queue/", queue.queue, name="queue"),
    path("courses/<slug:slug>/queue/charts/<slug:chart>.csv", queue.chart_csv, name="queue_chart_csv"),
    path("courses/<slug:slug>/needs-a-person/", queue.needs_human, name="needs_human"),
    path("courses/<slug:slug>/reruns/new/", reruns.plan, name="plan_rerun"),
    path("courses/<slug:slug>/reruns/start/", reruns.start, name="start_rerun"),
    path("courses/<slug:slug>/reruns/<int:rerun>/", reruns.rerun, name="rerun_of_many"),
    path("courses/<slug:slug>/reruns/<int:rerun>/status/", reruns.status, name="rerun_status"),
    path("courses/<slug:slug>/reruns/<int:rerun>/cancel/", reruns.cancel, name="cancel_rerun"),
    path("courses/<slug:slug>/milestones/<slug:milestone>/", milestones.milestone, name="milestone"),
    path("courses/<slug:slug>/milestones/<slug:milestone>/kit.zip", milestones.starter_kit, name="starter_kit"),
    path("courses/<slug:slug>/milestones/<slug:milestone>/upload/", milestones.upload, name="upload"),
    path("courses/<slug:slug>/milestones/<slug:milestone>/results/", classes.results, name="results"),
    path("submissions/<int:submission>/", submissions.submission, name="submission"),
    path("submissions/<int:submission>/status/", submissions.status, name="submission_status"),
    path("submissions/<int:submission>/cancel/", submissions.cancel, name="cancel"),
    path("submissions/<int:submission>/rerun/", submissions.rerun, name="rerun"),
    path("submissions/<int:submission>/result.json", submissions.result_json, name="result_json"),
    path("submissions/<int:submission>/figures/<slug:figure>.csv", submissions.figure_csv, name="figure_csv"),
    path("submissions/<int:submission>/file/", submissions.uploaded_file, name="uploaded_file"),
    path("criteria/<int:criterion>/override/", marking.override, name="override"),
    path("evaluations/<int:evaluation>/benchmark/", marking.decide_benchmark, name="decide_benchmark"),
    path("evaluations/<int:evaluation>/review/", marking.review, name="review"),
]

if settings.DEBUG:
    urlpatterns.append(path("components/", components.components, name="components"))
