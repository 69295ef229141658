variable "name" {
  description = "Name of the application: of its lease table, its service, its roles and what else is made for it."
  type        = string
  default     = "kinesis-alerter"

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{3,54}$", var.name))
    error_message = "Want 3 to 54 letters, digits, - and _: a table, a queue, a role and a service have to be able to bear the name."
  }
}

variable "image" {
  description = "The container image, best by digest: REPOSITORY@sha256:..."
  type        = string
}

variable "config" {
  description = "The text of the configuration file, as in file(\"kinesis-alerter.yaml\"). It can say $${STREAM_ARN}, $${APPLICATION}, $${TOPIC_ARN} and $${DEAD_LETTER_URL}, and the names in environment and secrets. Without one every record alerts the topic."
  type        = string
  default     = null

  validation {
    condition     = length(coalesce(var.config, "-")) <= 48 * 1024
    error_message = "A task definition holds 64 KiB, so the configuration may have 48 KiB. Put a larger one into a secret: secrets = { KINESIS_ALERTER_CONFIG = \"arn:...\" }."
  }
}

variable "environment" {
  description = "More environment variables of the container."
  type        = map(string)
  default     = {}
}

variable "secrets" {
  description = "Environment variables whose values are in Secrets Manager or the SSM parameter store, by their ARNs. KINESIS_ALERTER_CONFIG replaces config."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for arn in values(var.secrets) : can(regex("^arn:[^:]+:(ssm|secretsmanager):[^:]*:[^:]*:(parameter/|secret:)", arn))])
    error_message = "Want ARNs of SSM parameters or of secrets."
  }
}

variable "secrets_kms_key_arns" {
  description = "Customer managed keys that the secrets are encrypted with."
  type        = list(string)
  default     = []
}

variable "stream" {
  description = "The stream to read, and its customer managed key where it has one. Without it an on-demand stream of the application's name is made."
  type = object({
    arn         = string
    kms_key_arn = optional(string)
  })
  default = null
}

variable "stream_retention_hours" {
  description = "How long the stream that is made keeps records: how long alerting may stand still and lose nothing."
  type        = number
  default     = 24
}

variable "topic_arns" {
  description = "ARNs of the topics to publish to; the first one is $${TOPIC_ARN}. Without any a topic of the application's name is made."
  type        = list(string)
  default     = []
}

variable "topic_kms_key_arns" {
  description = "The customer managed keys of the topics in topic_arns, where they have some."
  type        = list(string)
  default     = []
}

variable "output_stream_arns" {
  description = "ARNs of the streams that the configuration names under outputs. The module makes none."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.output_stream_arns : can(regex("^arn:[^:]+:kinesis:[^:]+:[0-9]{12}:stream/[^*?/]+$", arn))])
    error_message = "Want ARNs of Kinesis streams, without wildcards."
  }
}

variable "output_kms_key_arns" {
  description = "The customer managed keys of the streams in output_stream_arns, where they have some."
  type        = list(string)
  default     = []
}

variable "assume_role_arns" {
  description = "The roles that the configuration names as role_arn, for streams, topics and dead letters of other accounts. Their trust policies have to name task_role_arn."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.assume_role_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "Want ARNs of IAM roles, without wildcards."
  }
}

variable "dead_letters" {
  description = "Whether to make a queue for records that can never be published."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "A customer managed key for all that is made here: stream, tables, topic, queue and log group. Without it the services' own keys are used. Its policy has to let CloudWatch Logs use it."
  type        = string
  default     = null
}

variable "deletion_protection" {
  description = "Whether the tables refuse to be deleted. Without the lease table an application begins anew."
  type        = bool
  default     = true
}

variable "point_in_time_recovery" {
  description = "Whether the tables can be restored to any second of the last 35 days. The state table's backups hold fields of records, as it does itself."
  type        = bool
  default     = true
}

variable "cluster" {
  description = "The ECS cluster to run in. Without it one is made."
  type        = object({ arn = string })
  default     = null
}

variable "desired_count" {
  description = "How many workers. More than the stream has shards are of no use but as standbys."
  type        = number
  default     = 2
}

variable "cpu" {
  description = "CPU units of a task; 1024 are one CPU."
  type        = number
  default     = 256
}

variable "memory" {
  description = "MiB of a task. The Go runtime keeps within nine tenths of it."
  type        = number
  default     = 512
}

variable "cpu_architecture" {
  description = "ARM64 or X86_64; the image must be built for it."
  type        = string
  default     = "ARM64"

  validation {
    condition     = contains(["ARM64", "X86_64"], var.cpu_architecture)
    error_message = "Want ARM64 or X86_64."
  }
}

variable "fail_fast" {
  description = "Whether a worker for which AWS names something missing at its start (stream, topic, lease table, permission to look at them) ends, so that ECS can take the deployment back. If not, it waits."
  type        = bool
  default     = true
}

variable "extra_args" {
  description = "More arguments of kinesis-alerter run."
  type        = list(string)
  default     = []
}

variable "stop_timeout" {
  description = "Seconds between SIGTERM and SIGKILL, up to Fargate's 120. Has to be above processing.stop_budget, which is 25s unless the configuration says otherwise."
  type        = number
  default     = 60

  validation {
    condition     = var.stop_timeout > 25 && var.stop_timeout <= 120
    error_message = "Want 26 to 120: more than the daemon's stop budget, and no more than Fargate allows."
  }
}

variable "vpc_id" {
  description = "The VPC of the subnets."
  type        = string
}

variable "subnet_ids" {
  description = "The subnets of the tasks, best private ones in several zones, with a way to the AWS APIs."
  type        = list(string)
}

variable "assign_public_ip" {
  description = "Whether tasks have public addresses, which those in public subnets need to reach AWS."
  type        = bool
  default     = false
}

variable "egress_cidr_ipv4" {
  description = "Where tasks may connect to by HTTPS. With interface endpoints for everything: the VPC's own range."
  type        = string
  default     = "0.0.0.0/0"
}

variable "scraper_security_group_ids" {
  description = "Security groups that may connect to the admin port 9464, for Prometheus, each under a name of your choice. Whoever can may also reload and change the log level."
  type        = map(string)
  default     = {}
}

variable "ecr_repository_arn" {
  description = "The ECR repository of the image, where it is in one."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How long the log is kept, and with it the audit lines of all alerts."
  type        = number
  default     = 90
}

variable "permissions_boundary_arn" {
  description = "A permissions boundary for both roles."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that is made here."
  type        = map(string)
  default     = {}
}

variable "alarms" {
  description = "CloudWatch alarms for those without Prometheus: on lag, on nothing read, on a topic's fault, and on silence. actions are ARNs, best of SNS topics, that hear of an alarm and of its end. config needs metrics.emf: true. Without it no alarm is made."
  type = object({
    actions     = optional(list(string), [])
    lag_seconds = optional(number, 300)
  })
  default = null
}
