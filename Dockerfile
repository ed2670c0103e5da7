# The course with its environment, for whoever grades: book/instructors.md, "In a container".
# Solutions are in it, so it is nothing for learners.
FROM python:3.12-slim-bookworm

# Whichever versions Debian serves today: what the marks depend on is pinned in constraints.txt.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends git libseccomp2 make \
    && rm -rf /var/lib/apt/lists/*

# Files that the course writes into a folder of yours should be yours: --build-arg UID="$(id -u)"
ARG UID=1000
RUN useradd --create-home --uid "$UID" instructor \
    && install --directory --owner=instructor /course /opt/venv
USER $UID
WORKDIR /course

# The environment lies beside the course: a clone that is mounted on /course finds it, too.
ENV PATH=/opt/venv/bin:$PATH \
    MAKEFLAGS="VENV=/opt/venv EXTRAS=instructor,cluster,postgresql FIRST_EXTRAS=instructor" \
    PIP_NO_CACHE_DIR=1

# Of the package no more than what is installed depends on: another line in it installs nothing anew.
COPY --chown=instructor Makefile pyproject.toml constraints.txt README.md LICENSE ./
COPY --chown=instructor autograder/__init__.py autograder/
# torch for the CPU: without this index it is the build for GPUs, several GB.
ARG PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
RUN make /opt/venv/.installed

COPY --chown=instructor . .

CMD ["autograder", "--help"]
