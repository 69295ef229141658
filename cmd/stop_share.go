package cmd

// The shares of the stop budget, in percent, by step.
const (
	stopShareReadiness     = 1
	stopShareShards        = 80
	stopShareLeases        = 9
	stopShareReloads       = 1
	stopSharePublisher     = 3
	stopShareSubscriptions = 1
	stopShareStatus        = 1
	stopShareAdmin         = 4
)
