"""What packages of conda are called on PyPI and in Debian, where it is not the same name on PyPI.

Only what is the same program is listed. Conda packs what wheels bring themselves (compilers' libraries, CUDA, BLAS) on
its own; such packages are needless here.
"""

from __future__ import annotations

import re

__all__ = ["NEEDLESS", "PACKAGES"]

_SAME_NAME_IN_DEBIAN = """
    aria2 autoconf automake bash bc bedtools bison bzip2 ccache cmake coreutils curl ffmpeg flex gawk gcc gdb gfortran
    ghostscript git git-lfs gnuplot graphviz grep gzip hdf5-tools imagemagick jq less make mariadb-server nano nginx
    openmpi-bin pandoc parallel patch perl pigz pkg-config postgresql rclone ripgrep rsync ruby samtools sed swig tar
    tmux tree unzip vim wget zip zsh
"""
_OTHER_NAMES = {
    "_r-mutex": "deb:r-base-core",
    "c-compiler": "deb:gcc",
    "compilers": "deb:build-essential",
    "cxx-compiler": "deb:g++",
    "dask-core": "pypi:dask",
    "fonts-conda-forge": "deb:fonts-dejavu",
    "fortran-compiler": "deb:gfortran",
    "gcc_linux-64": "deb:gcc",
    "gdal": "deb:python3-gdal",
    "go": "deb:golang-go",
    "gxx": "deb:g++",
    "gxx_linux-64": "deb:g++",
    "jupyter_client": "pypi:jupyter-client",
    "lightning": "pypi:lightning",
    "matplotlib-base": "pypi:matplotlib",
    "maven": "deb:maven",
    "msgpack-python": "pypi:msgpack",
    "nodejs": "deb:nodejs",
    "openjdk": "deb:default-jdk-headless",
    "openssh": "deb:openssh-client",
    "opencv": "pypi:opencv-python-headless",
    "py-opencv": "pypi:opencv-python-headless",
    "py-xgboost": "pypi:xgboost",
    "pyarrow-core": "pypi:pyarrow",
    "pytables": "pypi:tables",
    "python-duckdb": "pypi:duckdb",
    "python-graphviz": "pypi:graphviz",
    "python-kaleido": "pypi:kaleido",
    "pytorch": "pypi:torch",
    "pytorch-cpu": "pypi:torch",
    "pytorch-gpu": "pypi:torch",
    "r-base": "deb:r-base-core",
    "redis": "deb:redis-server",
    "redis-py": "pypi:redis",
    "redis-server": "deb:redis-server",
    "ruamel_yaml": "pypi:ruamel.yaml",
    "rust": "deb:rustc",
    "seaborn-base": "pypi:seaborn",
    "sqlite": "deb:sqlite3",
    "tensorflow-cpu": "pypi:tensorflow-cpu",
    "tensorflow-gpu": "pypi:tensorflow",
    "texlive-core": "deb:texlive-base",
    "xz": "deb:xz-utils",
}

PACKAGES = {name: f"deb:{name}" for name in _SAME_NAME_IN_DEBIAN.split()} | _OTHER_NAMES
"""Name in conda to a word that `breakbulk install` understands."""

NEEDLESS = re.compile(
    r"_.*|pip|setuptools|wheel|lib(?!rosa|cst).*|ld_impl.*|ca-certificates|openssl|zlib|ncurses|readline|tk|tzdata|mkl.*"
    r"|blas.*|openblas|cudatoolkit|cuda-.*|cudnn|nccl|intel-openmp|llvm-openmp|pytorch-cuda|pytorch-mutex|python_abi|nomkl"
    r"|sysroot.*|kernel-headers.*|binutils.*"
)
"""What wheels, or every environment, bring anyway."""
