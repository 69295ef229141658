# The daemon as a container image; deploy/image/README.md says how it is built, signed and run.
# Both base images are arguments, for a mirror or for a digest that you have verified; `make pin-images` writes the digests of
# these tags, and a release is refused without.
ARG BUILD_IMAGE=golang:1.26.11
ARG RUNTIME_IMAGE=gcr.io/distroless/static-debian13:nonroot

# Compiled on the builder's own platform for the target's: Go needs no emulation for that.
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS build
WORKDIR /src
# Where modules come from, if not from where Go takes them by default. go.sum holds in any case.
ARG GOPROXY
# The toolchain is the image's; another one must not be loaded behind its back.
ENV CGO_ENABLED=0 \
    GOTOOLCHAIN=local \
    GOFLAGS=-mod=readonly
COPY go.mod go.sum ./
# The least toolchain has no known vulnerability that the daemon reaches. With GOTOOLCHAIN=local Go does not look at it.
RUN while read -r word least; do if [ "$word" = toolchain ]; then break; fi; done <go.mod; \
    have=$(go env GOVERSION); IFS=.; set -- ${least#go}; minor=$2 patch=$3; set -- ${have#go}; \
    if [ "$2" -lt "$minor" ] || { [ "$2" -eq "$minor" ] && [ "${3:-0}" -lt "$patch" ]; }; then \
      echo "BUILD_IMAGE has $have; go.mod asks for $least or newer" >&2; exit 1; fi
# RELEASE=1 refuses base images that are named by a tag, which moves.
ARG RELEASE=
ARG BUILD_IMAGE
ARG RUNTIME_IMAGE
RUN if [ -n "$RELEASE" ]; then for image in "$BUILD_IMAGE" "$RUNTIME_IMAGE"; do case $image in *@sha256:*) ;; \
      *) echo "$image is not named by a digest; run make pin-images" >&2; exit 1 ;; esac; done; fi
RUN --mount=type=cache,target=/go/pkg/mod \
    GOMODCACHE=/go/pkg/mod go mod download
COPY alert ./alert
COPY checkpoint ./checkpoint
COPY consumer ./consumer
COPY cmd ./cmd
COPY internal ./internal
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=development
ARG REVISION=unknown
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    GOMODCACHE=/go/pkg/mod GOCACHE=/root/.cache/go-build GOOS=${TARGETOS} GOARCH=${TARGETARCH} \
    go build -trimpath \
      -ldflags "-s -w -X kinesis-alerter/internal/daemon.version=${VERSION} -X kinesis-alerter/internal/daemon.revision=${REVISION}" \
      -o /out/kinesis-alerter ./cmd/kinesis-alerter

FROM ${RUNTIME_IMAGE}
ARG VERSION=development
ARG REVISION=unknown
ARG CREATED
# Where the source is: SOURCE=https://...
ARG SOURCE
LABEL org.opencontainers.image.title="kinesis-alerter" \
      org.opencontainers.image.description="Reads a Kinesis data stream, decides by rules which records are alerts, and publishes them to Amazon SNS" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/kinesis-alerter /usr/local/bin/kinesis-alerter
# By number, so that Kubernetes' runAsNonRoot can see that it is not root.
USER 65532:65532
EXPOSE 9464
# For docker and podman. ECS and Kubernetes ignore it and have probes of their own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/local/bin/kinesis-alerter", "healthcheck"]
# The daemon's default of loopback alone would hide the probes and metrics from everyone outside.
ENTRYPOINT ["/usr/local/bin/kinesis-alerter"]
CMD ["run", "--config", "/etc/kinesis-alerter/kinesis-alerter.yaml", "--listen", ":9464"]
