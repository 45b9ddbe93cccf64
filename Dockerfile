# Assize as an image: the release binary on Debian with the bundles it was tested with, run by a user that owns nothing
# but its cache.
#
#   docker build --tag assize .
#   docker run --rm assize --help
#
# Base images are pinned to a version. To pin the bytes too, add the digest that
# `docker buildx imagetools inspect IMAGE` prints: FROM rust:1.91.1-bookworm@sha256:...
# Both stages are Debian 12, so that the binary finds the glibc and OpenSSL that it was linked against.

FROM rust:1.91.1-bookworm AS build
WORKDIR /build
# This image brings all that the native parts are built with: gcc, g++, make, pkg-config, OpenSSL and zlib.
COPY . .
# The caches stay with the builder, so that a change of one file does not build every dependency again. The binary is
# stripped on its way out: its debug information is most of its size.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --locked --release --bin assize && \
    strip --output-file=/usr/local/bin/assize target/release/assize

FROM debian:bookworm-20251229-slim
# What the binary needs besides glibc and zlib, which the base has: OpenSSL, and the authorities that TLS trusts.
RUN apt-get update && \
    apt-get install --yes --no-install-recommends ca-certificates libssl3 && \
    rm -rf /var/lib/apt/lists/* && \
    groupadd --system --gid 10001 assize && \
    useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/assize --shell /usr/sbin/nologin assize && \
    install --directory --owner assize --group assize /var/lib/assize /var/cache/assize /secrets
COPY --from=build /usr/local/bin/assize /usr/local/bin/
COPY models /opt/assize/models
COPY assize.toml /opt/assize/

# Bundles are named relative to this folder. Any key of the file can be set as ASSIZE_SECTION__KEY.
WORKDIR /opt/assize
ENV ASSIZE_CONFIG=/opt/assize/assize.toml \
    ASSIZE_SCHEMAS__CACHE_FOLDER=/var/cache/assize/schemas
USER 10001:10001
EXPOSE 9464

# The probe needs no token and no program but bash. `docker ps` shows the result; restarting is the orchestrator's part.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["bash", "-c", \
    "exec 3<>/dev/tcp/127.0.0.1/9464 && printf 'GET /livez HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]

# SIGTERM drains: keep the grace period (10 s in Docker) above stream.shutdown_ms_max.
ENTRYPOINT ["assize"]
CMD ["run"]
