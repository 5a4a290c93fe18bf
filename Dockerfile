# One image for every role. It has no shell, runs as an ordinary user, and writes to /data and /tmp only.
#
#   docker build -t longshore .

FROM rust:1-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
        libclang-dev libavcodec-dev libavfilter-dev libavformat-dev libavutil-dev libswresample-dev libswscale-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
ENV SQLX_OFFLINE=true
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked \
    && install -D -t /image/usr/local/bin target/release/longshore target/release/longshore-media
# The libraries that the programs load, where the loader looks anyway. glibc itself is in the base of the next stage.
RUN libraries=/image/usr/lib/$(gcc -print-multiarch) \
    && install -d "$libraries" && install -d -o 65532 -g 65532 /image/data \
    && ldd /image/usr/local/bin/longshore /image/usr/local/bin/longshore-media \
        | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u \
        | grep -vE '/(libc|libm|libdl|librt|libpthread|libresolv)\.so' \
        | xargs -r cp -L -t "$libraries"

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /image/usr /usr
COPY --from=build --chown=65532:65532 /image/data /data
ENV LONGSHORE_DATA_DIR=/data LONGSHORE_API_BIND=0.0.0.0:8080 LONGSHORE_LOG_FORMAT=json
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/longshore"]
CMD ["--help"]
