// Package ecs checks the files in deploy/ecs against the API that takes them and against the daemon. It is a module of
// its own. So the SDK for ECS stays out of the daemon's module.
package ecs
