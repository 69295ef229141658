locals {
  # What is made is decided by whether an object is given and by how long a list is, never by a value in them: those of
  # resources of the same configuration are not known when Terraform plans.
  stream_arn = var.stream != null ? var.stream.arn : aws_kinesis_stream.this[0].arn
  stream_key = var.stream != null ? var.stream.kms_key_arn : var.kms_key_arn
  topic_arns = length(var.topic_arns) > 0 ? var.topic_arns : [aws_sns_topic.this[0].arn]
  topic_keys = length(var.topic_arns) > 0 ? var.topic_kms_key_arns : compact([var.kms_key_arn])
  account    = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.id
}

resource "aws_kinesis_stream" "this" {
  count = var.stream == null ? 1 : 0

  name             = var.name
  retention_period = var.stream_retention_hours
  encryption_type  = "KMS"
  kms_key_id       = coalesce(var.kms_key_arn, "alias/aws/kinesis")
  tags             = var.tags

  stream_mode_details {
    stream_mode = "ON_DEMAND"
  }
}

# Who reads which shard, and how far. The daemon would create it, but then its role would have to be allowed to.
resource "aws_dynamodb_table" "leases" {
  name                        = var.name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "leaseKey"
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  attribute {
    name = "leaseKey"
    type = "S"
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}

# What rules and scores remember. Fields of records are part of it.
resource "aws_dynamodb_table" "state" {
  name                        = "${var.name}-state"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "leaseKey"
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  attribute {
    name = "leaseKey"
    type = "S"
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}

resource "aws_sns_topic" "this" {
  count = length(var.topic_arns) == 0 ? 1 : 0

  name              = var.name
  kms_master_key_id = coalesce(var.kms_key_arn, "alias/aws/sns")
  tags              = var.tags
}

resource "aws_sqs_queue" "dead_letters" {
  count = var.dead_letters ? 1 : 0

  name                      = "${var.name}-dead-letters"
  message_retention_seconds = 14 * 24 * 3600
  sqs_managed_sse_enabled   = var.kms_key_arn == null ? true : null
  kms_master_key_id         = var.kms_key_arn
  tags                      = var.tags
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}
