# The policies that are shipped as files, filled in for the account of the tests.
locals {
  values = {
    PARTITION        = "aws"
    REGION           = "us-east-1"
    ACCOUNT          = "000000000000"
    STREAM           = "alerts"
    APPLICATION      = "alerts"
    TOPIC            = "alerts"
    DEAD_LETTERS     = "alerts-dead-letters"
    STREAM_KEY       = local.key
    TOPIC_KEY        = local.key
    DEAD_LETTERS_KEY = local.key
    TABLE_KEY        = local.key
    OUTPUT           = "scored"
    OUTPUT_KEY       = local.key
  }
  key  = "arn:aws:kms:us-east-1:000000000000:key/1"
  read = { for name in ["policy", "outputs", "kms", "trust-ecs-tasks"] : name => jsondecode(templatefile("${path.module}/../../../iam/${name}.json", local.values)) }
}

output "policy" {
  value = [for s in local.read.policy.Statement : merge(s, { Action = flatten([s.Action]), Resource = flatten([s.Resource]) })]
}

output "outputs" {
  value = local.read.outputs.Statement
}

output "kms" {
  value = [for s in local.read.kms.Statement : merge(s, { Action = flatten([s.Action]), Resource = flatten([s.Resource]) })]
}

output "trust" {
  value = local.read.trust-ecs-tasks
}
