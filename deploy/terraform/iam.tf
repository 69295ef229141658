# The policies are plain JSON and no data sources, so that a test with a mocked provider sees what is granted.
locals {
  trust_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "EcsTasks"
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account}:*" }
      }
    }]
  })

  # One statement of ../iam/policy.json, ../iam/outputs.json or ../iam/kms.json each, in their order; tests/policy.tftest.hcl compares them.
  task_statements = concat(
    [
      {
        Sid      = "ReadStream"
        Effect   = "Allow"
        Action   = ["kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
        Resource = local.stream_arn
      },
      {
        Sid      = "Leases"
        Effect   = "Allow"
        Action   = ["dynamodb:DeleteItem", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan", "dynamodb:UpdateItem"]
        Resource = aws_dynamodb_table.leases.arn
      },
      {
        Sid      = "State"
        Effect   = "Allow"
        Action   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"]
        Resource = aws_dynamodb_table.state.arn
      },
      {
        Sid      = "Alerts"
        Effect   = "Allow"
        Action   = ["sns:GetTopicAttributes", "sns:Publish"]
        Resource = local.topic_arns
      },
    ],
    [for queue in aws_sqs_queue.dead_letters : {
      Sid      = "DeadLetters"
      Effect   = "Allow"
      Action   = "sqs:SendMessage"
      Resource = queue.arn
    }],
    [for arns in [var.output_stream_arns] : {
      Sid      = "Outputs"
      Effect   = "Allow"
      Action   = "kinesis:PutRecords"
      Resource = arns
    } if length(arns) > 0],
    [for keys in [var.output_kms_key_arns] : {
      Sid       = "EncryptOutputs"
      Effect    = "Allow"
      Action    = "kms:GenerateDataKey"
      Resource  = keys
      Condition = { StringEquals = { "kms:EncryptionContext:aws:kinesis:arn" = var.output_stream_arns } }
    } if length(keys) > 0],
    [for key in compact([local.stream_key]) : {
      Sid       = "DecryptStream"
      Effect    = "Allow"
      Action    = "kms:Decrypt"
      Resource  = key
      Condition = { StringEquals = { "kms:EncryptionContext:aws:kinesis:arn" = local.stream_arn } }
    }],
    [for roles in [var.assume_role_arns] : {
      Sid      = "AssumeRoles"
      Effect   = "Allow"
      Action   = "sts:AssumeRole"
      Resource = roles
    } if length(roles) > 0],
    [for keys in [local.topic_keys] : {
      Sid       = "EncryptAlerts"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = keys
      Condition = { StringEquals = { "kms:ViaService" = "sns.${local.region}.amazonaws.com" } }
    } if length(keys) > 0],
    [for key in var.dead_letters ? compact([var.kms_key_arn]) : [] : {
      Sid       = "EncryptDeadLetters"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = key
      Condition = { StringEquals = { "kms:ViaService" = "sqs.${local.region}.amazonaws.com" } }
    }],
    [for key in compact([var.kms_key_arn]) : {
      Sid       = "UseTables"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
      Resource  = key
      Condition = { StringEquals = { "kms:ViaService" = "dynamodb.${local.region}.amazonaws.com" } }
    }],
  )

  # A secret's ARN can have the key within its JSON, a stage and a version behind it.
  secret_arns    = distinct([for arn in values(var.secrets) : regex("^(?:[^:]+:){6}[^:]+", arn) if strcontains(arn, ":secretsmanager:")])
  parameter_arns = distinct([for arn in values(var.secrets) : arn if strcontains(arn, ":ssm:")])

  execution_statements = concat(
    [{
      Sid      = "Log"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.this.arn}:*"
    }],
    [for arn in compact([var.ecr_repository_arn]) : {
      Sid      = "Pull"
      Effect   = "Allow"
      Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Resource = arn
    }],
    [for arn in compact([var.ecr_repository_arn]) : {
      Sid      = "LogInToRegistry"
      Effect   = "Allow"
      Action   = "ecr:GetAuthorizationToken"
      Resource = "*" # the action knows no resource
    }],
    [for arns in [local.parameter_arns] : {
      Sid      = "ReadParameters"
      Effect   = "Allow"
      Action   = "ssm:GetParameters"
      Resource = arns
    } if length(arns) > 0],
    [for arns in [local.secret_arns] : {
      Sid      = "ReadSecrets"
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue"
      Resource = arns
    } if length(arns) > 0],
    [for arns in [var.secrets_kms_key_arns] : {
      Sid      = "DecryptSecrets"
      Effect   = "Allow"
      Action   = "kms:Decrypt"
      Resource = arns
    } if length(arns) > 0],
  )
}

# What the daemon may do.
resource "aws_iam_role" "task" {
  name                 = "${var.name}-task"
  assume_role_policy   = local.trust_policy
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_role_policy" "task" {
  name   = "kinesis-alerter"
  role   = aws_iam_role.task.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.task_statements })
}

# What ECS may do to start it: load the image, read the secrets, write the log.
resource "aws_iam_role" "execution" {
  name                 = "${var.name}-execution"
  assume_role_policy   = local.trust_policy
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_role_policy" "execution" {
  name   = "start"
  role   = aws_iam_role.execution.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.execution_statements })
}
