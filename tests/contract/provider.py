"""Somebody who registers and sets up over the public API, and reads the codes that the local run would have sent."""

import itertools

import requests

COOKIE = "__Host-session"
PASSWORD = "seven quiet herons wade"
# In the local run's plan of numbers, 555-0100 to 555-0159 of each area are mobiles. 212 is the examples' own.
AREAS = [213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229, 231, 234, 239, 240, 248, 251, 252, 253]
MOBILES = [f"+1{area}55501{last:02}" for area in AREAS for last in range(60)]
taken = itertools.count()


class Provider:
    """Registered, with a password, and no more than that until `set_up`."""

    def __init__(self, portal, username=None, mobile=None):
        self.portal = portal
        number = next(taken)
        self.username = username or f"provider-{number}"
        self.mobile = mobile or MOBILES[number]
        self.http = requests.Session()
        self.http.trust_env = False
        registration = {"username": self.username, "email": f"{self.username}@clinic.example", "password": PASSWORD}
        answer = self.call("POST", "/v1/accounts", 201, registration)
        self.session = answer.headers["set-cookie"].split(";")[0].removeprefix(f"{COOKIE}=")

    def set_up(self):
        """Verifies a phone, and saves the recovery code."""
        self.phone = self.call("POST", "/v1/account/phones", 202, {"number": self.mobile, "channel": "text"}).json()["id"]
        text = self.call("GET", f"/dev/messages?to=%2B{self.mobile[1:]}", 200).json()[0]["body"]
        code = "".join(filter(str.isdigit, text))[:6]
        self.call("POST", f"/v1/account/phones/{self.phone}/confirm", 200, {"code": code})
        self.call("POST", "/v1/account/recovery-code", 201, {})
        self.call("GET", "/v1/account/recovery-code", 200)
        self.session_id = self.call("GET", "/v1/account/sessions", 200).json()["sessions"][0]["id"]
        return self

    def is_signed_in(self):
        return self.send("GET", "/v1/account").status_code == 200

    def call(self, method, path, status, body=None):
        answer = self.send(method, path, body)
        if answer.status_code != status:
            raise RuntimeError(f"{method} {path}: {answer.status_code} instead of {status}: {answer.text}")
        return answer

    def send(self, method, path, body=None):
        cookie = {"Cookie": f"{COOKIE}={self.session}"} if hasattr(self, "session") else {}
        return self.http.request(method, self.portal + path, json=body, headers=cookie, timeout=10)
