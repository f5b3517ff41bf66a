"""The ASGI entry, for servers that speak it. Nothing in the product needs more than WSGI."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "assessment_site.settings")
application = get_asgi_application()
