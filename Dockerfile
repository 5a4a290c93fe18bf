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
    cargo build --profile dist --locked \
    && install -D -t /image/usr/local/bin target/dist/longshore target/dist/longshore-media
# What the programs load, where they look for it: nothing else is in the image.
RUN install -d -m 1777 /image/tmp && install -d -o 65532 -g 65532 /image/data \
    && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
    && ldd /image/usr/local/bin/longshore /image/usr/local/bin/longshore-media \
        | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /ld-linux/ { print $1 }' | sort -u \
        | while read -r library; do install -D "$library" "/image$library"; done

FROM scratch
COPY --from=build /image /
COPY --from=build --chown=65532:65532 /image/data /data
USER 65532:65532
ENV LONGSHORE_DATA_DIR=/data LONGSHORE_API_BIND=0.0.0.0:8080 LONGSHORE_LOG_FORMAT=json
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/longshore"]
CMD ["--help"]
