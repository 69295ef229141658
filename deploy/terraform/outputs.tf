output "stream_arn" {
  description = "The stream that is read."
  value       = local.stream_arn
}

output "topic_arns" {
  description = "The topics that alerts go to."
  value       = local.topic_arns
}

output "dead_letter_queue_url" {
  description = "The queue of records that can never be published; null without one."
  value       = one(aws_sqs_queue.dead_letters[*].url)
}

output "lease_table_name" {
  description = "The lease table, for kinesis-alerter leases --table."
  value       = aws_dynamodb_table.leases.name
}

output "state_table_name" {
  description = "The table of what rules remember."
  value       = aws_dynamodb_table.state.name
}

output "task_role_arn" {
  description = "The daemon's role, for policies of keys, topics and streams of other accounts."
  value       = aws_iam_role.task.arn
}

output "task_policy_json" {
  description = "What the daemon may do."
  value       = aws_iam_role_policy.task.policy
}

output "security_group_id" {
  description = "The security group of the tasks."
  value       = aws_security_group.this.id
}

output "cluster_arn" {
  description = "The cluster that the service is in."
  value       = aws_ecs_service.this.cluster
}

output "service_name" {
  description = "The ECS service."
  value       = aws_ecs_service.this.name
}

output "log_group_name" {
  description = "The log group, of the daemon's log and its audit lines."
  value       = aws_cloudwatch_log_group.this.name
}

output "alarm_names" {
  description = "The CloudWatch alarms; none without alarms."
  value       = [for a in aws_cloudwatch_metric_alarm.this : a.alarm_name]
}
