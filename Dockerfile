# p2pctl as a container: docs/containers.md. Not built where p2pctl is developed, for want of an engine there; each
# command of it is run by test/container.test.ts.
FROM node:24-slim AS build
WORKDIR /src
COPY . .
RUN npm ci --no-audit --no-fund \
  && npm pack --ignore-scripts --silent --pack-destination /tmp
RUN npm install --global --omit=dev --no-audit --no-fund --prefix /opt/p2pctl /tmp/p2pctl-*.tgz

FROM node:24-slim
COPY --from=build /opt/p2pctl /usr/local
# by number, so that Kubernetes can see that it is not root
USER 1000:1000
WORKDIR /home/node
ENTRYPOINT ["p2pctl"]
CMD ["--help"]
