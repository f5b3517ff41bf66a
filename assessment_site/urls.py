"""Every address of the site: the administration, the health check, and the pages of ``grading``."""

from django.contrib import admin
from django.urls import include, path

from assessment_site.health import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("health/", health, name="health"),
    path("", include("grading.urls")),
]

handler400 = "grading.views.errors.bad_request"
handler403 = "grading.views.errors.forbidden"
handler404 = "grading.views.errors.not_found"
