"""Well-known packages of nixpkgs, and what they are called in Debian (bookworm and trixie) or on PyPI.

Only packages that are the same program are listed; what is missing is reported to the user instead of guessed.
Python packages (`python311Packages.NAME`) are translated by rule in `flox`.
"""

from __future__ import annotations

__all__ = ["PACKAGES"]

_SAME_NAME_IN_DEBIAN = """
    aria2 autoconf automake bash bc bison bzip2 ccache cmake coreutils cpio curl diffutils dnsutils dos2unix dpkg emacs
    ffmpeg file findutils flex fzf gawk gcc gdb gettext ghostscript git git-lfs gnumake gnupg gnutar gnuplot golang
    graphviz grep gzip haproxy htop httpie hyperfine imagemagick inotify-tools iproute2 jq less libtool lsof lua5_4
    m4 make mariadb maven meson moreutils mosquitto nano ncdu neovim netcat nginx ninja nmap openssh openssl p7zip
    pandoc parallel patch patchelf perl pigz pkg-config poppler-utils postgresql procps protobuf pv rabbitmq-server
    rclone redis restic ripgrep rsync ruby rustc cargo sed shellcheck socat sqlite strace stress-ng subversion tesseract
    tmux tree unzip util-linux valgrind vim wget which xz yq zip zsh zstd
"""
"""Mostly the same; the exceptions below come after and win."""

_OTHER_NAME_IN_DEBIAN = {
    "bind": "bind9-dnsutils",
    "coreutils-full": "coreutils",
    "dnsutils": "bind9-dnsutils",
    "fd": "fd-find",
    "gcc-unwrapped": "gcc",
    "gfortran": "gfortran",
    "gitFull": "git",
    "gnugrep": "grep",
    "gnumake": "make",
    "gnused": "sed",
    "gnutar": "tar",
    "go": "golang-go",
    "golang": "golang-go",
    "iputils": "iputils-ping",
    "jdk": "default-jdk-headless",
    "jdk17": "openjdk-17-jdk-headless",
    "jre": "default-jre-headless",
    "libpq": "libpq-dev",
    "libxml2": "libxml2-utils",
    "lua5_4": "lua5.4",
    "mariadb": "mariadb-server",
    "mysql80": "default-mysql-server",
    "netcat": "netcat-openbsd",
    "ninja": "ninja-build",
    "nodejs": "nodejs",
    "nodejs_18": "nodejs",
    "nodejs_20": "nodejs",
    "openjdk": "default-jdk-headless",
    "openjdk17": "openjdk-17-jdk-headless",
    "openssh": "openssh-client",
    "p7zip": "p7zip-full",
    "pkgconf": "pkgconf",
    "postgresql_15": "postgresql-15",
    "procps": "procps",
    "protobuf": "protobuf-compiler",
    "python3": "python3",
    "python311": "python3",
    "python311Full": "python3",
    "python3Full": "python3",
    "R": "r-base-core",
    "redis": "redis-server",
    "sqlite": "sqlite3",
    "tesseract": "tesseract-ocr",
    "texliveBasic": "texlive-base",
    "which": "debianutils",
    "xz": "xz-utils",
}

_ON_PYPI = {
    "black": "black",
    "dvc": "dvc",
    "localstack": "localstack",
    "mypy": "mypy",
    "pipx": "pipx",
    "poetry": "poetry",
    "pre-commit": "pre-commit",
    "pyright": "pyright",
    "ruff": "ruff",
    "uv": "uv",
}

PACKAGES: dict[str, str] = {
    **{name: f"deb:{name}" for name in _SAME_NAME_IN_DEBIAN.split()},
    **{name: f"deb:{package}" for name, package in _OTHER_NAME_IN_DEBIAN.items()},
    **{name: f"pypi:{package}" for name, package in _ON_PYPI.items()},
}
"""Attribute path in nixpkgs to a word that `breakbulk install` understands."""
