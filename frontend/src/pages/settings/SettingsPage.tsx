import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMay } from '@/stores/session';
import { Card, PageTitle } from '@/ui/Card';
import { TabPanel, Tabs } from '@/ui/Segmented';
import { AlertSettings } from './AlertSettings';
import { AllSettings } from './AllSettings';
import { Brokers } from './Brokers';
import { RiskSettings } from './RiskSettings';
import { Users } from './Users';

export default function SettingsPage() {
  const { tab = 'brokers' } = useSearch({ from: '/app/settings' });
  const navigate = useNavigate({ from: '/settings' });
  const isAdmin = useMay('admin');
  return (
    <>
      <PageTitle title="Settings" />
      <Card flush label="Settings">
        <Tabs
          label="Settings"
          value={tab}
          onChange={(next) => void navigate({ search: { tab: next as typeof tab }, replace: true })}
          tabs={[
            { value: 'brokers', label: 'Brokers' },
            { value: 'risk', label: 'Risk' },
            { value: 'alerts', label: 'Alerts and screen' },
            ...(isAdmin ? [{ value: 'users', label: 'Users' }] : []),
            { value: 'all', label: 'Everything' },
          ]}
        >
          <TabPanel value="brokers">
            <Brokers />
          </TabPanel>
          <TabPanel value="risk">
            <RiskSettings />
          </TabPanel>
          <TabPanel value="alerts">
            <AlertSettings />
          </TabPanel>
          {isAdmin && (
            <TabPanel value="users">
              <Users />
            </TabPanel>
          )}
          <TabPanel value="all">
            <AllSettings />
          </TabPanel>
        </Tabs>
      </Card>
    </>
  );
}
