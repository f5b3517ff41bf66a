"""Every address of the site: the administration, and the pages of ``grading``."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("grading.urls")),
]
