"""Invitations by link: for one person by their e-mail address, or for whoever has the link.

The rules, in full:

- The link holds a secret of 256 bits; what is stored is its hash, so a link is shown once, to whom made it.
- A link for one person works once. One for whoever has it works until it expires or is revoked, and lets in students alone.
- A link for one person lets its holder choose a password only for an account that nobody has ever signed in with and that is
  not staff of another course, nor of the site: an instructor of one course must not come by an account of another.
- An account made by a link for whoever has it gets no e-mail address: nobody showed that it is theirs, and class lists
  know people by it.
- Who was taken out of a course comes back only by a link made for them afterwards: taking out revokes those made before.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from grading import history
from grading.models import AuditEvent, Course, Enrollment, Invitation, Person
from grading.roster_import import unused_usernames

Role = Enrollment.Role


class NoLongerValid(Exception):
    """The invitation cannot be used; the message is one clear sentence for who holds the link."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """An invitation as it was made just now, with the secret that is shown once."""

    invitation: Invitation
    secret: str


def invite(course: Course, *, role: str, section: str, email: str, days: int, by: Person) -> Link:
    """A link into ``course``. With an e-mail address, earlier links for the same person end."""
    with transaction.atomic():
        (link,) = _links(course, [email.lower()], role=role, section=section, days=days, by=by)
    return link


def invite_newcomers(course: Course, *, days: int, by: Person) -> list[tuple[Enrollment, Link]]:
    """A link for each student of the course who has an account by a class list and has never come in."""
    with transaction.atomic():
        places = list(newcomers(course))
        links = _links(course, [place.person.email.lower() for place in places], role=Role.STUDENT, section="",
                       days=days, by=by)  # fmt: skip
    return list(zip(places, links, strict=True))


def newcomers(course: Course) -> QuerySet[Enrollment]:
    """The active students who cannot sign in yet."""
    return (
        Enrollment.objects.filter(course=course, active=True, role=Role.STUDENT, test=False, person__last_login=None)
        .filter(person__password__startswith=UNUSABLE_PASSWORD_PREFIX)
        .exclude(person__email="")
        .select_related("person")
        .order_by("person__full_name", "pk")
    )


def _links(course: Course, emails: list[str], *, role: str, section: str, days: int, by: Person) -> list[Link]:
    now = timezone.now()
    named = [email for email in emails if email]
    unused(course.invitations.filter(email__in=named)).update(revoked_at=now)
    secrets_made = [secrets.token_urlsafe(32) for _ in emails]
    made = Invitation.objects.bulk_create(
        [
            Invitation(
                course=course, role=role, section=section, email=email, secret_sha256=_hash(secret), by=by,
                expires_at=now + timedelta(days=days),
            )
            for email, secret in zip(emails, secrets_made, strict=True)
        ]
    )  # fmt: skip
    history.keep(_entry("invite", each, by=by) for each in made)
    return [Link(invitation=each, secret=secret) for each, secret in zip(made, secrets_made, strict=True)]


def _entry(what: str, invitation: Invitation, *, by: Person) -> AuditEvent:
    after = {"for": invitation.email or "whoever has the link", "role": invitation.role}
    return history.entry(what, target=f"invitation {invitation.pk}", by=by, course=invitation.course_id, after=after)


def unused(invitations: QuerySet[Invitation]) -> QuerySet[Invitation]:
    """Those that can still be used."""
    return invitations.filter(Q(email="") | Q(used_by=None), revoked_at=None, expires_at__gt=timezone.now())


def revoke(invitation: Invitation, *, by: Person) -> None:
    """End a link at once. Revoking twice changes nothing."""
    with transaction.atomic():
        if unused(Invitation.objects.filter(pk=invitation.pk)).update(revoked_at=timezone.now()):
            _entry("revoke_invitation", invitation, by=by).save()


def find(secret: str) -> Invitation | None:
    """The invitation of a link, usable or not; None where there is none."""
    return Invitation.objects.filter(secret_sha256=_hash(secret)).select_related("course", "by").first()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def check(invitation: Invitation) -> None:
    """Raise :class:`NoLongerValid` where the invitation cannot be used."""
    if invitation.revoked_at is not None:
        raise NoLongerValid("This invitation was taken back. Ask your instructor for a new one.")
    if invitation.email and invitation.used_by_id is not None:
        raise NoLongerValid("This invitation was used already. If that was you, sign in.")
    if invitation.expires_at <= timezone.now():
        raise NoLongerValid("This invitation has expired. Ask your instructor for a new one.")


def account_of(invitation: Invitation) -> Person | None:
    """The account that an invitation for one person is for, where it exists already."""
    return Person.objects.filter(email__iexact=invitation.email).first() if invitation.email else None


def may_choose_password(invitation: Invitation, person: Person) -> bool:
    """Whether the link may open this account; see the rules above."""
    elsewhere = Enrollment.objects.filter(person=person).exclude(course=invitation.course_id)
    fresh = person.is_active and person.last_login is None and not person.has_usable_password()
    return (
        fresh and not person.is_superuser and not person.is_staff and not elsewhere.exclude(role=Role.STUDENT).exists()
    )


def accept(invitation: Invitation, person: Person) -> Enrollment:
    """Give ``person`` the place that the invitation is for. Who has an active place keeps it as it is.

    Raises :class:`NoLongerValid`.
    """
    with transaction.atomic():
        invitation = Invitation.objects.select_for_update().get(pk=invitation.pk)
        check(invitation)
        if invitation.email and person.email.lower() != invitation.email.lower():
            raise NoLongerValid(f"This invitation is for {invitation.email}. Sign in with that account.")
        values = {"role": invitation.role, "section": invitation.section}
        place, new = Enrollment.objects.get_or_create(course_id=invitation.course_id, person=person, defaults=values)
        if not place.active and not invitation.email:
            raise NoLongerValid("You were taken out of this course. Ask your instructor to add you again.")
        if new or not place.active:
            _enrol(place, invitation, new=new)
        Invitation.objects.filter(pk=invitation.pk).update(used_by=person)
    return place


def _enrol(place: Enrollment, invitation: Invitation, *, new: bool) -> None:
    if not new:
        place.active = True
        place.save(update_fields=["active"])
    history.record(
        "enrol" if new else "reactivate",
        target=f"enrollment {place.pk}",
        by=place.person,
        course=place.course_id,
        student=place if place.role == Role.STUDENT else None,
        after={"role": place.role, "section": place.section, "active": True},
        reason=f"By invitation {invitation.pk} of {invitation.by}.",
    )


def open_account(invitation: Invitation, *, username: str, full_name: str, password: str) -> Person:
    """The account that an invitation leads to, with its password, and with its place in the course; made where there is none.

    ``username`` and ``full_name`` are for an account that is made; one for an e-mail address is called by it.
    Raises :class:`NoLongerValid` where the account belongs to somebody already.
    """
    try:
        with transaction.atomic():
            # Two people who open one link at once: the second meets an account that has a password.
            Invitation.objects.select_for_update().get(pk=invitation.pk)
            person = account_of(invitation)
            if person is None:
                name = unused_usernames([invitation.email])[invitation.email] if invitation.email else username
                person = Person(username=name, email=invitation.email, full_name=full_name)
            elif not may_choose_password(invitation, person):
                raise NoLongerValid("This account has an owner already. Sign in with it, then open the link again.")
            person.set_password(password)
            person.save()
            accept(invitation, person)
    except IntegrityError as error:
        raise NoLongerValid("Somebody took that user name just now. Choose another.") from error
    return person
