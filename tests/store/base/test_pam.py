from __future__ import annotations

from breakbulk.store.base.pam import configuration, parse_profile

TEMPLATE = "# head\n$auth_primary\n# fallback\nauth\trequisite\tpam_deny.so\n$auth_additional\n# end\n"
UNIX = """\
Name: Unix authentication
Default: yes
Priority: 256
Auth-Type: Primary
Auth:
\t[success=end default=ignore]\tpam_unix.so nullok try_first_pass
Auth-Initial:
\t[success=end default=ignore]\tpam_unix.so nullok
"""
KERBEROS = UNIX.replace("pam_unix", "pam_krb5").replace("256", "704")


def test_one_profile_jumps_over_the_fallback() -> None:
    text = configuration(TEMPLATE, "Auth", [parse_profile(UNIX)])
    assert "auth\t[success=1 default=ignore]\tpam_unix.so nullok\n# fallback" in text


def test_of_two_the_first_has_its_initial_lines_and_jumps_further() -> None:
    text = configuration(TEMPLATE, "Auth", [parse_profile(KERBEROS), parse_profile(UNIX)])
    first = "[success=2 default=ignore]\tpam_krb5.so nullok\n"
    assert f"{first}auth\t[success=1 default=ignore]\tpam_unix.so nullok try" in text


def test_without_profiles_the_stack_stays_whole() -> None:
    assert "auth\t[default=1]\t\t\tpam_permit.so" in configuration(TEMPLATE, "Auth", [])
