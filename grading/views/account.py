"""Signing in and out, and how the site looks to one person."""

from __future__ import annotations

from django.contrib.auth import views as auth_views
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from grading.forms import SignInForm, ThemeForm

YEAR = 365 * 24 * 3600

sign_in = auth_views.LoginView.as_view(
    template_name="account/sign_in.html", authentication_form=SignInForm, redirect_authenticated_user=True
)
sign_out = auth_views.LogoutView.as_view()


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep light, dark or "as the system" for this browser, and for the person when somebody is signed in."""
    following = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(following, allowed_hosts={request.get_host()}):
        following = "/"
    answer = HttpResponseRedirect(following)
    form = ThemeForm(request.POST)
    if form.is_valid():
        chosen = form.cleaned_data["theme"]
        answer.set_cookie("theme", chosen, max_age=YEAR, samesite="Lax", secure=request.is_secure(), httponly=True)
        form.save(request.user)
    return answer
