# CloudWatch's alarms on what the daemon prints with metrics.emf. The log driver awslogs needs nothing for it: CloudWatch
# Logs makes metrics of every event that is a JSON object in the embedded metric format.
locals {
  # A minute's line comes at the end of the minute, so the newest period often has no data yet. What is missing leaves an
  # alarm as it is; that all is missing is the heartbeat's alarm.
  alarms = var.alarms == null ? {} : {
    lag = {
      metric      = "Lag"
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = var.alarms.lag_seconds
      periods     = 5
      missing     = "ignore"
      description = "Alerts are late: the oldest record without an outcome is older than ${var.alarms.lag_seconds} s. Runbook: KinesisAlerterShardLagHigh."
    }
    nothing-read = {
      metric      = "ShardsRead"
      statistic   = "Sum"
      comparison  = "LessThanThreshold"
      threshold   = 1
      periods     = 3
      missing     = "ignore"
      description = "Workers run, but no shard is read, so no alert goes out. Runbook: KinesisAlerterNothingRead."
    }
    topic-fault = {
      metric      = "TopicFaults"
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
      periods     = 2
      missing     = "ignore"
      description = "SNS refuses all alerts of a topic because of its configuration; they wait. Runbook: KinesisAlerterTopicFault."
    }
    heartbeat = {
      metric      = "Heartbeat"
      statistic   = "Sum"
      comparison  = "LessThanThreshold"
      threshold   = 1
      periods     = 5
      missing     = "breaching"
      description = "No worker has printed its line for minutes: none runs, none can write its log, or metrics.emf is not true. Runbook: KinesisAlerterDown."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = "KinesisAlerter"
  metric_name         = each.value.metric
  dimensions          = { stream = element(split("/", local.stream_arn), 1), application = var.name }
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = var.alarms.actions
  ok_actions          = var.alarms.actions
  tags                = var.tags

  lifecycle {
    precondition {
      condition     = contains(keys(var.secrets), "KINESIS_ALERTER_CONFIG") || can(regex("emf\\s*[\"']?\\s*:\\s*true", local.config))
      error_message = "config has no metrics.emf: true, so there would be nothing to alarm on but silence. Add: metrics: {emf: true}"
    }
  }
}
