# What the roles may do, against the policies in ../iam, which are held against what the daemon really calls.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name       = "alerts"
  image      = "registry.example.com/kinesis-alerter:1.2.3"
  vpc_id     = "vpc-1"
  subnet_ids = ["subnet-1"]
}

run "shipped" {
  command = plan
  module {
    source = "./tests/shipped"
  }
}

run "the_shipped_policy" {
  assert {
    condition     = jsonencode([for s in local.task_statements : merge(s, { Action = flatten([s.Action]), Resource = flatten([s.Resource]) })]) == jsonencode(run.shipped.policy)
    error_message = "The task role is not the policy in ../iam/policy.json:\n${jsonencode(local.task_statements)}\n${jsonencode(run.shipped.policy)}"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.task.policy).Statement == jsondecode(jsonencode(local.task_statements))
    error_message = "These statements are the role's policy."
  }
  assert {
    condition     = jsondecode(aws_iam_role.task.assume_role_policy) == run.shipped.trust && jsondecode(aws_iam_role.execution.assume_role_policy) == run.shipped.trust
    error_message = "ECS alone takes the roles, for tasks of this account."
  }
}

run "the_shipped_policy_with_a_key" {
  variables {
    kms_key_arn = "arn:aws:kms:us-east-1:000000000000:key/1"
  }
  assert {
    condition     = jsonencode([for s in local.task_statements : merge(s, { Action = flatten([s.Action]), Resource = flatten([s.Resource]) })]) == jsonencode(concat(run.shipped.policy, run.shipped.kms))
    error_message = "The task role is not the policies in ../iam/policy.json and ../iam/kms.json:\n${jsonencode(local.task_statements)}\n${jsonencode(concat(run.shipped.policy, run.shipped.kms))}"
  }
  assert {
    condition     = aws_kinesis_stream.this[0].kms_key_id == var.kms_key_arn && aws_dynamodb_table.leases.server_side_encryption[0].kms_key_arn == var.kms_key_arn && aws_dynamodb_table.state.server_side_encryption[0].kms_key_arn == var.kms_key_arn && aws_sns_topic.this[0].kms_master_key_id == var.kms_key_arn && aws_sqs_queue.dead_letters[0].kms_master_key_id == var.kms_key_arn && aws_cloudwatch_log_group.this.kms_key_id == var.kms_key_arn
    error_message = "The key is used for everything."
  }
}

run "output_streams" {
  variables {
    output_stream_arns  = ["arn:aws:kinesis:us-east-1:000000000000:stream/scored"]
    output_kms_key_arns = ["arn:aws:kms:us-east-1:000000000000:key/1"]
  }
  assert {
    condition     = jsonencode([for s in local.task_statements : merge(s, { Action = flatten([s.Action]), Resource = flatten([s.Resource]) }, can(s.Condition) ? { Condition = { StringEquals = { for k, v in s.Condition.StringEquals : k => flatten([v]) } } } : {}) if contains(["Outputs", "EncryptOutputs"], s.Sid)]) == jsonencode([for s in run.shipped.outputs : merge(s, { Action = flatten([s.Action]), Resource = flatten([s.Resource]) }, can(s.Condition) ? { Condition = { StringEquals = { for k, v in s.Condition.StringEquals : k => flatten([v]) } } } : {})])
    error_message = "The task role may write to output streams as ../iam/outputs.json says:\n${jsonencode(local.task_statements)}\n${jsonencode(run.shipped.outputs)}"
  }
}

run "an_output_stream_without_a_key" {
  variables {
    output_stream_arns = ["arn:aws:kinesis:us-east-1:000000000000:stream/scored"]
  }
  assert {
    condition     = [for s in local.task_statements : s.Sid if contains(["Outputs", "EncryptOutputs"], s.Sid)] == ["Outputs"]
    error_message = "No statement about keys without a key."
  }
}

run "roles_of_other_accounts" {
  variables {
    assume_role_arns = ["arn:aws:iam::111111111111:role/alerts", "arn:aws:iam::222222222222:role/reader"]
  }
  assert {
    condition     = [for s in local.task_statements : s.Resource if s.Sid == "AssumeRoles" && s.Action == "sts:AssumeRole"] == [var.assume_role_arns]
    error_message = "The daemon may assume these roles and no others."
  }
}

run "no_wildcards" {
  variables {
    stream               = { arn = "arn:aws:kinesis:us-east-1:111111111111:stream/theirs", kms_key_arn = "arn:aws:kms:us-east-1:111111111111:key/2" }
    topic_arns           = ["arn:aws:sns:us-east-1:000000000000:oncall", "arn:aws:sns:us-east-1:000000000000:office"]
    ecr_repository_arn   = "arn:aws:ecr:us-east-1:000000000000:repository/kinesis-alerter"
    secrets              = { WORD = "arn:aws:ssm:us-east-1:000000000000:parameter/word" }
    secrets_kms_key_arns = ["arn:aws:kms:us-east-1:000000000000:key/3"]
  }
  assert {
    condition     = alltrue([for s in local.task_statements : !strcontains(jsonencode([s.Action, s.Resource]), "*")])
    error_message = "No wildcard in what the daemon may do."
  }
  assert {
    condition     = [for s in local.execution_statements : "${s.Sid} ${jsonencode(s.Resource)}" if strcontains(jsonencode([s.Action, s.Resource]), "*")] == ["Log ${jsonencode("${aws_cloudwatch_log_group.this.arn}:*")}", "LogInToRegistry \"*\""]
    error_message = "No wildcards for ECS but the log's streams, and the one action that knows no resource."
  }
  assert {
    condition     = length(aws_kinesis_stream.this) == 0 && length(aws_sns_topic.this) == 0 && [for s in local.task_statements : s.Resource if contains(["ReadStream", "Alerts", "DecryptStream"], s.Sid)] == [var.stream.arn, var.topic_arns, var.stream.kms_key_arn]
    error_message = "What exists is not made, and may be used."
  }
}
