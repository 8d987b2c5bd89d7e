"""Signs schemathesis in: who calls is a provider with a password, a phone and a saved recovery code, so that the calls behind the session
are reached by one that may make them.
"""

import os

import schemathesis
from provider import COOKIE, Provider

PORTAL = os.environ["POSTERN_PORTAL"]
# Where the file's own example stands in a path, the provider's own is called for.
OWN = {"/v1/account/phones/{id}": "phone", "/v1/account/phones/{id}/confirm": "phone", "/v1/account/sessions/{id}": "session_id"}


@schemathesis.auth(refresh_interval=None)
class SignedIn:
    """Another provider for each operation, so that what one does to its account is not in another's way; and another again where the
    operation ended the session.
    """

    def __init__(self):
        self.providers = {}

    def get(self, case, context):
        name = case.operation.label
        provider = self.providers.get(name)
        if provider is None or not provider.is_signed_in():
            provider = self.providers[name] = Provider(PORTAL).set_up()
        return provider

    def set(self, case, provider, context):
        case.cookies = {**(case.cookies or {}), COOKIE: provider.session}
        own = OWN.get(case.operation.path)
        if own and str(case.path_parameters.get("id", "")).startswith(("ph_", "ses_")):
            case.path_parameters["id"] = getattr(provider, own)
